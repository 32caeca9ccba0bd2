import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { atOnce, newEmail, newPassword } from '#tools/testing/flows/flows.ts';
import { API_URL, type ApiCopy } from '#tools/testing/harness/api.ts';
import { cookieOf, type Received, send } from '#tools/testing/http-client.ts';
import { type AccountHarness, openAccountHarness } from './accounts-harness.ts';

let harness: AccountHarness;
beforeAll(async () => {
  harness = await openAccountHarness();
});
afterAll(() => harness.close());

const ask = (key: string, json: object, copy?: ApiCopy, path = 'signup'): Promise<Received> =>
  harness.post(path, json, { headers: { 'idempotency-key': key, origin: API_URL } }, copy);
const sessionsOf = (email: string) =>
  harness.rows`SELECT s.id FROM sessions s JOIN users u ON u.id = s."userId" WHERE u.email = ${email}`;
/** The session that a sign-up opened, and whether its cookie and tokens work. */
const opened = async (answer: Received) => {
  expect(answer.status, answer.text).toBe(201);
  const { user, session, tokens } = answer.body;
  const read = await send(harness.open.url, 'GET', '/api/auth/session', { cookie: cookieOf(answer) });
  const validated = await send(harness.open.url, 'POST', '/v1/tokens/validate', {
    json: { token: tokens.access_token },
  });
  return [user.id, session.id, tokens.refresh_token, read.body.session?.id === session.id, validated.body.active];
};

describe('a sign-up with an Idempotency-Key', () => {
  test('gets the same answer when repeated, under either name: one account, one session, one mail', async () => {
    const [key, json] = [randomUUID(), { email: newEmail(), password: newPassword(), name: 'Ada' }];
    const first = await ask(key, json);
    const expected = await opened(first);
    expect(expected.slice(3)).toEqual([true, true]);
    expect(cookieOf(first)).toContain('sallyport.device=');
    const again = await ask(key, json);
    expect(await opened(again)).toEqual(expected);
    // The account may have changed owners since, so a replay makes no browser known.
    expect(cookieOf(again)).not.toContain('sallyport.device=');
    expect(await opened(await ask(key, json, harness.open, 'sign-up/email'))).toEqual(expected);
    expect(await sessionsOf(json.email)).toHaveLength(1);
    expect(await harness.mails.to(json.email)).toHaveLength(1);
    expect(await harness.post('signup', json)).toMatchObject({ status: 409, body: { code: 'email_taken' } });
  });

  test('repeated six times at once creates one account, and all get its one session', async () => {
    const [key, json] = [randomUUID(), { email: newEmail(), password: newPassword() }];
    const answers = await atOnce(6, () => ask(key, json));
    expect(new Set(answers.map(({ status, body }) => `${status} ${body.session?.id}`)).size).toBe(1);
    expect(await sessionsOf(json.email)).toHaveLength(1);
  });

  test('reveals nothing to a client that has only the key: any other body is refused', async () => {
    const [key, json] = [randomUUID(), { email: newEmail(), password: newPassword() }];
    await ask(key, json);
    for (const other of [{ password: newPassword() }, { email: newEmail() }, { name: 'Eve' }]) {
      const answer = await ask(key, { ...json, ...other });
      expect(answer).toMatchObject({ status: 422, body: { code: 'idempotency_key_reused' } });
      expect(answer.headers.getSetCookie()).toEqual([]);
      expect(answer.text).not.toContain(json.email);
    }
    expect(await harness.rows`SELECT 1 FROM users WHERE email = ${json.email}`).toHaveLength(1);
  });

  test('stores no answer when refused, and a guessable key is refused', async () => {
    const [key, json] = [randomUUID(), { email: newEmail(), password: newPassword() }];
    expect(await ask(key, { ...json, password: 'short' })).toMatchObject({ body: { code: 'password_too_short' } });
    await opened(await ask(key, json));
    expect(await ask('fifteen letters', json)).toMatchObject({ status: 400, body: { code: 'request_invalid' } });
    expect(await ask('fifteen-letters', json)).toMatchObject({ status: 400, body: { code: 'request_invalid' } });
  });

  test('sends one mail where an address must be verified first, known or new', async () => {
    const [key, json] = [randomUUID(), { email: newEmail(), password: newPassword() }];
    for (let n = 0; n < 2; n += 1)
      expect(await ask(key, json, harness.strict)).toMatchObject({
        status: 200,
        body: { status: 'verification_required' },
      });
    expect(await harness.mails.to(json.email)).toHaveLength(1);
    await harness.post('signup', json, {}, harness.strict);
    expect(await harness.mails.to(json.email)).toHaveLength(2);
  });
});
