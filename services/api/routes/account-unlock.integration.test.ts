import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { accountKeyOf } from '#services/domain/identity/sign-in/sign-in-counters.ts';
import { signIn } from '#testing/flows/flows.ts';
import { API_URL } from '#testing/harness/api.ts';
import { type AccountHarness, at, openAccountHarness } from './accounts-harness.ts';

let harness: AccountHarness;
beforeAll(async () => {
  harness = await openAccountHarness();
});
afterAll(() => harness.close());

describe('an account that wrong passwords have locked', () => {
  /** The state after five wrong passwords, without the hash that each one costs. */
  const lock = async (email: string): Promise<void> => {
    const key = accountKeyOf(harness.open.ports, email);
    await harness.rows(
      `INSERT INTO login_failures (key, failures, locked_until) VALUES ($1, 5, now() + interval '15 minutes')`,
      [key],
    );
  };

  test('a locked account is unlocked by a mailed code, which works once among twenty concurrent uses and opens no session', async () => {
    const user = await harness.person();
    await lock(user.email);
    const { email, password } = user;
    expect(await harness.post('signin', { email, password })).toMatchObject({ status: 429 });
    await harness.post('request-unlock', { email: user.email.toUpperCase() });
    const mail = await harness.newest(user.email);
    expect(mail).toMatchObject({ page: `${API_URL}/account/unlock`, subject: 'Unlock your account' });
    const token = mail?.code ?? '';
    const answers = await Promise.all(Array.from({ length: 20 }, () => harness.post('unlock', { token })));
    const codes = answers.map(({ status, body }) => (status === 200 ? body.status : body.code)).sort();
    expect(codes).toEqual([...Array(19).fill('code_invalid'), 'unlocked']);
    // The browser is a known device from now on, but not signed in.
    const cookies = answers.flatMap(({ headers }) => headers.getSetCookie()).map((line) => line.split('=', 1)[0]);
    expect(cookies).toEqual(['sallyport.device']);
    const events = await harness.rows(
      `SELECT detail FROM audit_outbox WHERE type = 'user.unlocked' AND target_id = $1`,
      [user.id],
    );
    expect(events).toEqual([{ detail: { failures: 5, reason: 'mailed_code' } }]);
    await signIn(at(harness.open), user);
  });
});
