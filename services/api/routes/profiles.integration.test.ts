import { decodeJwt } from 'jose';
import { describe, expect, test } from 'vitest';
import { newEmail, newPassword, signIn, type TestUser } from '#tools/testing/flows/flows.ts';
import { send } from '#tools/testing/http-client.ts';
import { opened } from '#tools/testing/opened.ts';
import { at, bearerOf, DEAD, openAccountHarness, ownPage, told } from './accounts-harness.ts';

const harness = opened(openAccountHarness);

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
    const events = await harness.rows(
      `SELECT detail FROM audit_outbox WHERE type = 'user.profile_changed' AND target_id = $1`,
      [user.id],
    );
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
          const waiting = `SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE '%FROM users%'`;
          return (await harness.rows(waiting)).length;
        })
        .toBe(answers.length);
      await ending.query('DELETE FROM sessions WHERE "userId" = $1', [user.id]);
      await ending.query('COMMIT');
      expect((await Promise.all(answers)).map(({ status }) => status)).toEqual(answers.map(() => 401));
    } finally {
      ending.release();
    }
    expect(await harness.rows('SELECT name FROM users WHERE id = $1', [user.id])).toEqual([{ name: 'Ada' }]);
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
    await harness.rows(`UPDATE sessions SET "createdAt" = now() - interval '11 minutes' WHERE "userId" = $1`, [
      user.id,
    ]);
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
    expect(await harness.rows('SELECT 1 FROM users WHERE id = $1', [user.id])).toEqual([]);
    expect(await harness.newest(user.email)).toMatchObject({ subject: 'Your account was deleted' });
    expect(await harness.post('delete-user', {}, bearerOf(user))).toMatchObject({ status: 401 });
  });
});

const claims = ({ access_token: token }: { readonly access_token: string }) => decodeJwt(token);
/** Invalidates the cache, so that the session is read from its row again. */
const forget = ({ cookie }: TestUser): Promise<void> =>
  harness.open.ports.auth.forget(decodeURIComponent(/session_token=([^.;]+)/.exec(cookie)?.[1] ?? ''));

let shared: Promise<TestUser> | undefined;
async function openUser(): Promise<{ token: string }> {
  shared ??= harness.person();
  return { token: (await shared).tokens.access_token };
}
