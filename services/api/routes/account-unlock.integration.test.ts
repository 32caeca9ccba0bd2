import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { accountKeyOf } from '#services/domain/identity/sign-in/sign-in-counters.ts';
import { newEmail, signIn } from '#testing/flows/flows.ts';
import { API_URL } from '#testing/harness/api.ts';
import { type AccountHarness, at, openAccountHarness, told } from './accounts-harness.ts';

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

  test('a request for the mail gets the same answer for known, unknown and disabled accounts; only an enabled account is mailed', async () => {
    const [known, disabled, unknown] = [await harness.person(), await harness.person(), newEmail()];
    for (const email of [known.email, disabled.email, unknown]) await lock(email);
    await harness.rows('UPDATE users SET "disabledAt" = now() WHERE id = $1', [disabled.id]);
    const asked = [];
    for (const email of [known.email, unknown, disabled.email])
      asked.push(await harness.post('request-unlock', { email }));
    expect(new Set(asked.map((answer) => JSON.stringify(told(answer)))).size).toBe(1);
    expect(await harness.newest(known.email)).toMatchObject({ page: `${API_URL}/account/unlock` });
    expect(await harness.mails.to(unknown)).toEqual([]);
    expect((await harness.mails.to(disabled.email)).map(({ subject }) => subject)).not.toContain('Unlock your account');
  });

  test('an unlocked account is sent no mail, and an address gets at most five mails of all kinds', async () => {
    const user = await harness.person();
    const { email } = user;
    await harness.post('request-unlock', { email });
    expect((await harness.mails.to(email)).map(({ page }) => page)).toEqual([`${API_URL}/account/verify-email`]);
    await lock(email);
    for (const path of ['send-verification-email', 'request-password-reset', 'request-unlock'])
      for (let n = 0; n < 2; n += 1) {
        await harness.post(path, { email });
        await harness.mails.deliver();
      }
    expect((await harness.mails.to(email)).map(({ page }) => page?.split('/').at(-1))).toEqual([
      ...['verify-email', 'verify-email', 'verify-email', 'reset-password', 'reset-password'],
    ]);
  });

  test('a code that was sent to the previous address unlocks nothing', async () => {
    const user = await harness.person();
    await lock(user.email);
    await harness.post('request-unlock', { email: user.email });
    const token = await harness.codeFor(user.email);
    await harness.rows('UPDATE users SET email = $2 WHERE id = $1', [user.id, newEmail()]);
    expect(await harness.post('unlock', { token })).toMatchObject({ status: 400, body: { code: 'code_invalid' } });
  });

  test('a code for another purpose unlocks nothing, nor does one whose account was disabled meanwhile', async () => {
    const user = await harness.person();
    const verifying = await harness.codeFor(user.email);
    await lock(user.email);
    await harness.post('request-unlock', { email: user.email });
    const token = await harness.codeFor(user.email);
    await harness.rows('UPDATE users SET "disabledAt" = now() WHERE id = $1', [user.id]);
    for (const each of [verifying, token, 'nonsense'])
      expect(await harness.post('unlock', { token: each })).toMatchObject({
        status: 400,
        body: { code: 'code_invalid' },
      });
  });
});
