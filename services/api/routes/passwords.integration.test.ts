import { decodeJwt } from 'jose';
import { describe, expect, test } from 'vitest';
import { codeOf } from '#tools/testing/fakes/totp.ts';
import { newEmail, newPassword, signIn, type TestUser } from '#tools/testing/flows/flows.ts';
import { API_URL } from '#tools/testing/harness/api.ts';
import { cookieOf, send } from '#tools/testing/http-client.ts';
import { opened } from '#tools/testing/opened.ts';
import { ALIVE, at, bearerOf, DEAD, openAccountHarness, ownPage, told } from './accounts-harness.ts';

const harness = opened(openAccountHarness);

describe('a new password', () => {
  test('a change ends every session and token of the account; the answer is a new session', async () => {
    const here = await harness.person();
    const there = await signIn(at(harness.open), here);
    const password = newPassword();
    const changed = await harness.post(
      'change-password',
      { current_password: here.password, new_password: password },
      ownPage(here),
    );
    expect(changed.status, changed.text).toBe(200);
    expect(changed.body.session.id).not.toBe(here.sessionId);
    expect(await harness.isAlive(there)).toEqual(DEAD);
    expect(await harness.isAlive(here)).toEqual(DEAD);
    expect(await harness.isAlive({ ...here, cookie: cookieOf(changed), tokens: changed.body.tokens })).toEqual(ALIVE);
    expect(await harness.post('signin', { email: here.email, password: here.password })).toMatchObject({ status: 401 });
    await signIn(at(harness.open), { email: here.email, password });
    expect(await harness.newest(here.email)).toMatchObject({ subject: 'Your password was changed', code: undefined });
  });

  test('works by bearer and under Better Auth’s names; a wrong current password is refused and changes nothing', async () => {
    const user = await harness.person();
    const wrong = await harness.post(
      'change-password',
      { currentPassword: 'not the right one', newPassword: newPassword() },
      bearerOf(user),
    );
    expect(wrong).toMatchObject({ status: 403, body: { code: 'current_password_wrong' } });
    const short = await harness.post(
      'change-password',
      { currentPassword: user.password, newPassword: 'short' },
      bearerOf(user),
    );
    expect(short).toMatchObject({ status: 400, body: { code: 'password_too_short' } });
    expect((await harness.isAlive(user))[0]).toBe(true);
    const json = { currentPassword: user.password, newPassword: newPassword(), revokeOtherSessions: true };
    expect(await harness.post('change-password', json, bearerOf(user))).toMatchObject({ status: 200 });
    expect(await harness.isAlive(user)).toEqual(DEAD);
  });

  test('401 without a credential; another client’s token is refused', async () => {
    const json = { current_password: 'x', new_password: newPassword() };
    expect(await harness.post('change-password', json)).toMatchObject({ status: 401 });
    const { tokens } = await harness.person();
    const client = await harness.newClient(['tokens:issue']);
    const { body: me } = await send(harness.open.url, 'GET', '/api/auth/user', { bearer: tokens.access_token });
    const issued = await send(harness.open.url, 'POST', '/v1/tokens', { basic: client, json: { user_id: me.user.id } });
    expect(issued.status, issued.text).toBe(201);
    expect(await harness.post('change-password', json, { bearer: issued.body.access_token })).toMatchObject({
      status: 403,
    });
  });

  test('a reset request gets the same answer for known and unknown addresses; the code works once and ends every session', async () => {
    const user = await harness.person();
    const asked = [
      await harness.post('request-password-reset', { email: user.email }),
      await harness.post('request-password-reset', { email: newEmail() }),
    ].map(told);
    expect(asked[0]).toEqual(asked[1]);
    const mail = await harness.newest(user.email);
    expect(mail).toMatchObject({ page: `${API_URL}/account/reset-password` });
    const token = mail?.code ?? '';
    const refused = await harness.post('reset-password', { token, newPassword: user.email });
    expect(refused).toMatchObject({ status: 400, body: { code: 'password_has_email' } });
    const passwords = Array.from({ length: 4 }, newPassword);
    const answers = await Promise.all(
      passwords.map((new_password) => harness.post('reset-password', { token, new_password })),
    );
    const won = answers.findIndex(({ status }) => status === 200);
    expect(answers.filter(({ status }) => status === 200).length).toBe(1);
    expect(answers.filter(({ body }) => body.code === 'code_invalid').length).toBe(3);
    expect(answers[won]?.headers.getSetCookie()).toEqual([]);
    expect(await harness.isAlive(user)).toEqual(DEAD);
    await signIn(at(harness.open), { email: user.email, password: passwords[won] ?? '' });
  });

  test('a reset that verifies the address removes a second factor set before, and its owner can sign in', async () => {
    const user = await harness.person();
    const enabled = await harness.post('two-factor/enable', { password: user.password }, ownPage(user));
    expect(enabled.status, enabled.text).toBe(200);
    const code = codeOf(enabled.body.totp_uri);
    expect((await harness.post('two-factor/confirm', { code }, ownPage(user))).status).toBe(200);
    await harness.post('request-password-reset', { email: user.email });
    const [token, password] = [await harness.codeFor(user.email), newPassword()];
    expect((await harness.post('reset-password', { token, new_password: password })).status).toBe(200);
    const signedIn = await harness.post('signin', { email: user.email, password });
    expect(signedIn.status, signedIn.text).toBe(200);
    expect(await harness.isAlive({ ...user, cookie: cookieOf(signedIn), tokens: signedIn.body.tokens })).toEqual(ALIVE);
  });

  test('a user who has no second factor signs in, whatever the flag on the user’s row says', async () => {
    const user = await harness.person();
    await harness.rows`UPDATE users SET "twoFactorEnabled" = true WHERE id = ${user.id}`;
    const signedIn = await harness.post('signin', { email: user.email, password: user.password });
    expect(signedIn.status, signedIn.text).toBe(200);
    expect(await harness.isAlive({ ...user, cookie: cookieOf(signedIn), tokens: signedIn.body.tokens })).toEqual(ALIVE);
  });

  test.each(['nothing', 'a second factor'])(
    'a sign-in with the old password during the change gets nothing, where %s is required too',
    async (asked) => {
      const user = await harness.person();
      if (asked !== 'nothing')
        await harness.rows`INSERT INTO two_factors (id, "userId", secret, "backupCodes", verified)
          VALUES (${user.id}, ${user.id}, 'x', 'x', true)`;
      const { pools } = harness.open.stores;
      const changing = await pools.main.connect();
      try {
        await changing.query('BEGIN');
        await changing.query('SELECT 1 FROM users WHERE id = $1 FOR NO KEY UPDATE', [user.id]);
        const signingIn = harness.post('signin', { email: user.email, password: user.password });
        await expect
          .poll(
            async () =>
              (
                await harness.rows`SELECT 1 FROM pg_stat_activity
                  WHERE datname = current_database() AND wait_event_type = 'Lock' AND query LIKE '%FROM users%'`
              ).length,
          )
          .toBe(1);
        await changing.query(`UPDATE accounts SET password = 'another' WHERE "userId" = $1`, [user.id]);
        await changing.query('COMMIT');
        expect(await signingIn).toMatchObject({ status: 401, body: { code: 'login_refused' } });
      } finally {
        changing.release();
      }
      expect(await harness.rows`SELECT 1 FROM sessions WHERE "userId" = ${user.id}`).toEqual([]);
    },
  );

  test('with two factors a change requires a recent sign-in and keeps its age: the new session has the same expiry and sign-in time', async () => {
    const user = await harness.person();
    const as = async (acr: string, minutes: number) => {
      await harness.rows`
        UPDATE sessions SET acr = ${acr}, amr = '{pwd,otp,mfa}', "createdAt" = now() - ${minutes} * interval '1 minute',
        "expiresAt" = now() + interval '1 hour' WHERE "userId" = ${user.id}`;
      await forget(user);
    };
    const change = () =>
      harness.post('change-password', { current_password: user.password, new_password: password }, ownPage(user));
    const password = newPassword();
    const read = () =>
      harness.rows`SELECT amr, acr, "expiresAt", date_trunc('second', "createdAt") AS began FROM sessions
        WHERE "userId" = ${user.id}`;
    await as('aal2', 11);
    expect(await change()).toMatchObject({ status: 403, body: { code: 'step_up_required' } });
    await as('aal2', 5);
    const before = await read();
    const changed = await change();
    expect(changed.status, changed.text).toBe(200);
    expect(await read()).toEqual(before);
    expect(claims(changed.body.tokens)).toMatchObject({ acr: 'aal2', auth_time: before[0].began.getTime() / 1_000 });
  });

  test('writing another password digest ends every session; rehashing the same password ends none', async () => {
    const user = await harness.person();
    const [before] = await harness.rows`SELECT "passwordChangedAt", "lastLoginAt" FROM users WHERE id = ${user.id}`;
    expect(before).toEqual({ passwordChangedAt: expect.any(Date), lastLoginAt: expect.any(Date) });
    const digest = `(SELECT password FROM accounts WHERE "userId" = $1)`;
    const upgrade = await harness.rows(`SELECT account_password_upgrade($1, ${digest}, 'stronger') AS done`, [user.id]);
    expect(upgrade).toEqual([{ done: true }]);
    expect(await harness.rows`SELECT account_password_upgrade(${user.id}, 'another', 'x') AS done`).toEqual([
      { done: false },
    ]);
    expect(await harness.isAlive(user)).toEqual(ALIVE);
    await harness.rows`UPDATE accounts SET password = 'by hand' WHERE "userId" = ${user.id}`;
    await harness.open.poll.wake();
    const still = await send(harness.open.url, 'POST', '/v1/tokens/validate', {
      json: { token: user.tokens.access_token },
    });
    expect(still.body.active).toBe(false);
    expect(await harness.rows`SELECT 1 FROM sessions WHERE "userId" = ${user.id}`).toEqual([]);
    const [after] = await harness.rows`SELECT "passwordChangedAt" AS at FROM users WHERE id = ${user.id}`;
    expect(after.at.getTime()).toBeGreaterThan(before.passwordChangedAt.getTime());
  });
});

const claims = ({ access_token: token }: { readonly access_token: string }) => decodeJwt(token);
/** Invalidates the cache, so that the session is read from its row again. */
const forget = ({ cookie }: TestUser): Promise<void> =>
  harness.open.ports.auth.forget(decodeURIComponent(/session_token=([^.;]+)/.exec(cookie)?.[1] ?? ''));

describe('the profile', () => {
  test('name and picture change, and every session shows it at once', async () => {
    const user = await harness.person();
    const patch = { name: 'Grace', image: 'https://example.com/grace.png' };
    const changed = await send(harness.open.url, 'PATCH', '/api/auth/user', { json: patch, ...ownPage(user) });
    expect(changed).toMatchObject({ status: 200, body: { user: patch } });
    expect((await send(harness.open.url, 'GET', '/api/auth/session', { cookie: user.cookie })).body.user).toMatchObject(
      patch,
    );
    expect(await harness.post('update-user', { image: null }, bearerOf(user))).toMatchObject({
      body: { user: { name: 'Grace', image: null } },
    });
    expect((await send(harness.open.url, 'GET', '/api/auth/user', bearerOf(user))).body.user).toMatchObject({
      name: 'Grace',
      image: null,
    });
    const events = await harness.rows`SELECT detail FROM audit_outbox
      WHERE type = 'user.profile_changed' AND target_id = ${user.id}`;
    expect(events.map(({ detail }) => detail.fields)).toEqual([['name', 'image'], ['image']]);
  });

  test.each([
    { roles: ['admin'] },
    { emailVerified: true },
    { email: 'a@b.test' },
    { tokenEpoch: 0 },
    { image: 'http://example.com/x' },
    { image: 'javascript:alert(1)' },
    { name: 'a\u0000b' },
    { name: 'a'.repeat(129) },
  ])('%j cannot be changed by the user', async (json) => {
    const { token } = await openUser();
    expect(await send(harness.open.url, 'PATCH', '/api/auth/user', { json, bearer: token })).toMatchObject({
      status: 400,
    });
  });

  test('a new address takes effect once verified, the old one is notified, and codes sent there become invalid', async () => {
    const user = await harness.person();
    await harness.post('request-password-reset', { email: user.email });
    const oldCode = await harness.codeFor(user.email);
    const email = newEmail();
    expect(await harness.post('change-email', { new_email: email }, ownPage(user))).toMatchObject({
      body: { status: true },
    });
    expect((await send(harness.open.url, 'GET', '/api/auth/user', bearerOf(user))).body.user.email).toBe(user.email);
    const token = await harness.codeFor(email);
    expect(await harness.post('verify-email', { token }, ownPage(user))).toMatchObject({ status: 200 });
    const { body } = await send(harness.open.url, 'GET', '/api/auth/session', { cookie: user.cookie });
    expect(body.user).toMatchObject({ email, emailVerified: true });
    expect(claims(user.tokens)).toMatchObject({ email: user.email, email_verified: false });
    const json = { refresh_token: user.tokens.refresh_token };
    const refreshed = await send(harness.open.url, 'POST', '/v1/tokens/refresh', { json });
    expect(claims(refreshed.body)).toMatchObject({ email, email_verified: true });
    const notice = await harness.newest(user.email);
    expect(notice).toMatchObject({ subject: 'The e-mail address of your account was changed' });
    expect(notice?.raw).not.toContain(email);
    expect(await harness.post('reset-password', { token: oldCode, new_password: newPassword() })).toMatchObject({
      status: 400,
    });
    await signIn(at(harness.open), { email, password: user.password });
  });

  test('a session that ends while its request waits changes nothing of the account', async () => {
    const user = await harness.person();
    const { pools } = harness.open.stores;
    const ending = await pools.main.connect();
    try {
      await ending.query('BEGIN');
      await ending.query('SELECT 1 FROM users WHERE id = $1 FOR NO KEY UPDATE', [user.id]);
      const answers = [
        harness.post('change-email', { new_email: newEmail() }, ownPage(user)),
        send(harness.open.url, 'PATCH', '/api/auth/user', { json: { name: 'Eve' }, ...ownPage(user) }),
        harness.post('two-factor/recovery-codes', {}, ownPage(user)),
        send(harness.open.url, 'DELETE', '/api/auth/user', ownPage(user)),
      ];
      await expect
        .poll(async () => {
          const waiting = `SELECT 1 FROM pg_stat_activity
            WHERE datname = current_database() AND wait_event_type = 'Lock' AND query LIKE '%FROM users%'`;
          return (await harness.rows(waiting)).length;
        })
        .toBe(answers.length);
      await ending.query('DELETE FROM sessions WHERE "userId" = $1', [user.id]);
      await ending.query('COMMIT');
      expect((await Promise.all(answers)).map(({ status }) => status)).toEqual(answers.map(() => 401));
    } finally {
      ending.release();
    }
    expect(await harness.rows`SELECT name FROM users WHERE id = ${user.id}`).toEqual([{ name: 'Ada' }]);
  });

  test('an address of another account gets the same answer, and its owner is notified', async () => {
    const [user, other] = [await harness.person(), await harness.person()];
    const [taken, free] = [
      await harness.post('change-email', { newEmail: other.email }, ownPage(user)),
      await harness.post('change-email', { newEmail: newEmail() }, ownPage(user)),
    ];
    expect(told(taken)).toEqual(told(free));
    expect(await harness.newest(other.email)).toMatchObject({ subject: 'You already have an account' });
  });

  test('dangerous changes require a recent sign-in', async () => {
    const user = await harness.person();
    await harness.rows`UPDATE sessions SET "createdAt" = now() - interval '11 minutes' WHERE "userId" = ${user.id}`;
    await forget(user);
    const answers = [
      await harness.post('change-email', { new_email: newEmail() }, ownPage(user)),
      await send(harness.open.url, 'DELETE', '/api/auth/user', ownPage(user)),
    ];
    expect(answers.map(({ status, body }) => [status, body.code])).toEqual(Array(2).fill([403, 'step_up_required']));
  });

  test('deleting an account removes everything of it and notifies its address', async () => {
    const user = await harness.person();
    const gone = await send(harness.open.url, 'DELETE', '/api/auth/user', ownPage(user));
    expect(gone).toMatchObject({ status: 200, body: { success: true } });
    expect(gone.headers.getSetCookie().every((line) => line.includes('Max-Age=0'))).toBe(true);
    expect(await harness.isAlive(user)).toEqual(DEAD);
    expect(await harness.rows`SELECT 1 FROM users WHERE id = ${user.id}`).toEqual([]);
    expect(await harness.newest(user.email)).toMatchObject({ subject: 'Your account was deleted' });
    expect(await harness.post('delete-user', {}, bearerOf(user))).toMatchObject({ status: 401 });
  });
});

let shared: Promise<TestUser> | undefined;
async function openUser(): Promise<{ token: string }> {
  shared ??= harness.person();
  return { token: (await shared).tokens.access_token };
}
