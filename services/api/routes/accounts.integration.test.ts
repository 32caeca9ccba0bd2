import { describe, expect, test } from 'vitest';
import { accountKeyOf } from '#services/core/identity/sign-in/sign-in-counters.ts';
import { atOnce, newEmail, newPassword, signIn } from '#tools/testing/flows/flows.ts';
import { API_URL } from '#tools/testing/harness/api.ts';
import { type Received, send } from '#tools/testing/http-client.ts';
import { opened } from '#tools/testing/opened.ts';
import { at, openAccountHarness, ownPage, told } from './accounts-harness.ts';

const harness = opened(openAccountHarness);

describe('where an address must be verified first', () => {
  const ask = (email: string, password = newPassword()): Promise<Received> =>
    harness.post('signup', { email, password, name: 'Ada' }, {}, harness.strict);

  test('sign-up gives the same answer for a new and a registered address, without a session; only the mails differ', async () => {
    const known = await harness.person();
    await harness.post('verify-email', { token: await harness.codeFor(known.email) }, ownPage(known));
    const fresh = newEmail();
    const [toKnown, toFresh] = [await ask(known.email), await ask(fresh)];
    expect(told(toKnown)).toEqual(told(toFresh));
    expect(toFresh).toMatchObject({ status: 200, body: { status: 'verification_required' } });
    expect(toFresh.headers.getSetCookie()).toEqual([]);
    expect(await harness.rows`SELECT 1 FROM users WHERE email = ${fresh}`).toEqual([]);
    expect(await harness.newest(fresh)).toMatchObject({ page: `${API_URL}/account/verify-email` });
    expect(await harness.newest(known.email)).toMatchObject({ subject: 'You already have an account' });
  });

  test('the account is created by the verification and signs in with the password chosen at sign-up', async () => {
    const [email, password] = [newEmail(), newPassword()];
    await ask(email, password);
    expect(await harness.post('signin', { email, password }, {}, harness.strict)).toMatchObject({ status: 401 });
    const token = await harness.codeFor(email);
    const prove = (json: object) => harness.post('verify-email', { token, ...json }, {}, harness.strict);
    expect(await prove({})).toMatchObject({ status: 400, body: { code: 'password_required' } });
    expect(await prove({ password: 'short' })).toMatchObject({ status: 400, body: { code: 'password_too_short' } });
    expect(await prove({ password })).toMatchObject({ status: 200, body: { status: 'verified' } });
    const user = await signIn(at(harness.strict), { email, password });
    const rows = await harness.rows`SELECT name, "emailVerified" FROM users WHERE id = ${user.id}`;
    expect(rows).toEqual([{ name: 'Ada', emailVerified: expect.any(Date) }]);
  });

  test('an account with an unverified address gets no session, even with the right password', async () => {
    const user = await harness.person();
    const { email, password } = user;
    expect(await harness.post('signin', { email, password }, {}, harness.strict)).toMatchObject({
      status: 403,
      body: { code: 'email_unverified' },
    });
    expect(
      await harness.post('signin', { email, password: 'another one altogether' }, {}, harness.strict),
    ).toMatchObject({ status: 401 });
  });

  test('an unverified sign-up may request another mail; at most three codes of an address are valid', async () => {
    const [pending, unverified] = [newEmail(), await harness.person()];
    await ask(pending);
    const first = await harness.codeFor(pending);
    for (let n = 0; n < 4; n += 1) {
      const answers = [
        await harness.post('send-verification-email', { email: pending }),
        await harness.post('send-verification-email', { email: newEmail() }),
        await harness.post('send-verification-email', { email: unverified.email.toUpperCase() }),
      ];
      expect(new Set(answers.map((answer) => JSON.stringify(told(answer)))).size).toBe(1);
      await harness.mails.deliver();
    }
    expect((await harness.mails.to(pending)).length).toBe(3);
    expect((await harness.mails.to(unverified.email)).length).toBe(3);
    const theirs = { token: await harness.codeFor(unverified.email) };
    expect(await harness.post('verify-email', theirs, ownPage(unverified))).toMatchObject({ status: 200 });
    expect(await harness.post('verify-email', { token: first, password: newPassword() })).toMatchObject({
      status: 200,
    });
    // Verification consumes every code of the address.
    expect(await harness.post('verify-email', { token: await harness.codeFor(pending) })).toMatchObject({
      status: 400,
    });
  });
});

describe('an account that wrong passwords have locked', () => {
  /** The state after five wrong passwords, without the hash that each one costs. */
  const lock = async (email: string): Promise<void> => {
    const key = accountKeyOf(harness.open.ports, email);
    await harness.rows`INSERT INTO login_failures (key, failures, locked_until)
      VALUES (${key}, 5, now() + interval '15 minutes')`;
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
    const answers = await atOnce(20, () => harness.post('unlock', { token }));
    const codes = answers.map(({ status, body }) => (status === 200 ? body.status : body.code)).sort();
    expect(codes).toEqual([...Array(19).fill('code_invalid'), 'unlocked']);
    // The browser is a known device from now on, but not signed in.
    const cookies = answers.flatMap(({ headers }) => headers.getSetCookie()).map((line) => line.split('=', 1)[0]);
    expect(cookies).toEqual(['sallyport.device']);
    const events =
      await harness.rows`SELECT detail FROM audit_outbox WHERE type = 'user.unlocked' AND target_id = ${user.id}`;
    expect(events).toEqual([{ detail: { failures: 5, reason: 'mailed_code' } }]);
    await signIn(at(harness.open), user);
  });
});

describe('mails', () => {
  test('a forged Host or X-Forwarded-Host changes no link', async () => {
    const user = await harness.person();
    const headers = { 'x-forwarded-host': 'evil.test', 'x-forwarded-proto': 'http', forwarded: 'host=evil.test' };
    await harness.post('request-password-reset', { email: user.email }, { headers });
    const mail = await harness.newest(user.email);
    expect(mail?.page).toBe(`${API_URL}/account/reset-password`);
    expect(mail?.raw).not.toContain('evil.test');
  });

  test('a code that confirms an address lasts an hour; a code that opens an account, and a challenge, ten minutes', async () => {
    const [user, signedUp, other] = [await harness.person(), newEmail(), newEmail()];
    await harness.post('signup', { email: signedUp, password: newPassword() }, {}, harness.strict);
    await harness.post('change-email', { new_email: other }, ownPage(user));
    await harness.post('request-password-reset', { email: user.email });
    await harness.rows`INSERT INTO login_failures (key, failures)
      VALUES (${accountKeyOf(harness.open.ports, user.email)}, 1)`;
    await harness.post('request-unlock', { email: user.email });
    await harness.mails.deliver();
    const lives = await harness.rows`
      SELECT purpose, round(extract(epoch FROM expires_at - created_at))::int AS seconds FROM one_time_codes
      WHERE email = ANY (${[user.email, signedUp, other]}) ORDER BY purpose`;
    expect(lives).toEqual([
      { purpose: 'change_email', seconds: 3_600 },
      { purpose: 'reset_password', seconds: 600 },
      { purpose: 'sign_up', seconds: 3_600 },
      { purpose: 'unlock_account', seconds: 600 },
      { purpose: 'verify_email', seconds: 3_600 },
    ]);
    expect((await harness.newest(signedUp))?.text).toContain('within an hour');
    await harness.rows`INSERT INTO two_factors (id, "userId", secret, "backupCodes", verified)
      VALUES (${user.id}, ${user.id}, 'x', 'x', true)`;
    const asked = await harness.post('signin', { email: user.email, password: user.password });
    expect(asked.body, asked.text).toMatchObject({ code: 'second_factor_required' });
    const [{ seconds }] =
      (await harness.rows`SELECT extract(epoch FROM expires_at - clock_timestamp())::float8 AS seconds
        FROM login_challenges WHERE user_id = ${user.id}`) as [{ seconds: number }];
    expect(seconds).toBeGreaterThan(500);
    expect(seconds).toBeLessThanOrEqual(600);
  });

  test('the outbox stores neither address nor code in clear, and a code appears only in its mail', async () => {
    const user = await harness.person();
    await harness.post('request-password-reset', { email: user.email });
    const waiting = JSON.stringify(await harness.rows`SELECT * FROM mail_outbox`);
    expect(waiting).toContain('reset_password');
    expect(waiting).not.toContain(user.email);
    const code = await harness.codeFor(user.email);
    const kept = JSON.stringify([
      await harness.rows`SELECT * FROM one_time_codes`,
      await harness.rows`SELECT * FROM audit_outbox`,
    ]);
    expect(kept).not.toContain(code);
    expect(await harness.mails.mode()).toBe(0o600);
  });

  test.each(['verify-email', 'reset-password', 'unlock', 'accept-invitation'])(
    '/account/%s runs only its own script and leaks no address',
    async (page) => {
      const { status, headers, text } = await send(harness.open.url, 'GET', `/account/${page}`);
      expect(status).toBe(200);
      const policy = headers.get('content-security-policy') ?? '';
      expect(policy).toContain("default-src 'none'");
      expect(policy).toMatch(/script-src 'sha256-[^']+'/);
      expect(policy).toContain("form-action 'self'");
      expect(headers.get('referrer-policy')).toBe('same-origin');
      expect(text).toContain(`action="/account/${page}"`);
    },
  );
});
