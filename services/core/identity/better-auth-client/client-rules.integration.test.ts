import { describe, expect, test } from 'vitest';
import { codeOf } from '#tools/testing/fakes/totp.ts';
import { newEmail, newPassword, signUp, type TestUser } from '#tools/testing/flows/flows.ts';
import { API_URL, openApiHarness } from '#tools/testing/harness/api.ts';
import { cookieOf, expectProblem, type Received, type Sent, send } from '#tools/testing/http-client.ts';
import { openMailFolder } from '#tools/testing/mail-folder.ts';
import { opened } from '#tools/testing/opened.ts';

/** Calls of Better Auth's client keep the rules of our own endpoints. */

const APP = 'https://app.example.test';

const harness = opened(openApiHarness);
const copy = opened(() => harness.startCopy({ env: { CORS_ORIGINS: APP } }));
const mails = opened(() => openMailFolder(copy.workerPorts));

const call = (method: string, path: string, sent: Sent = {}): Promise<Received> =>
  send(copy.url, method, `/api/auth/${path}`, { ...sent, headers: { origin: API_URL, ...sent.headers } });
const post = (path: string, json: object, cookie?: string, origin = API_URL): Promise<Received> =>
  call('POST', path, { json, headers: { origin }, ...(cookie === undefined ? {} : { cookie }) });
const person = (): Promise<TestUser> => signUp({ api: copy.url });
const sessionOf = async (cookie: string): Promise<unknown> => (await call('GET', 'get-session', { cookie })).body;

describe('a session that the client names', () => {
  test('is an id: as a cookie or bearer token it opens nothing', async () => {
    const { cookie } = await person();
    const { session } = (await call('GET', 'get-session', { cookie })).body;
    expect(session.token).toBe(session.id);
    const forged = `better-auth.session_token=${session.token}`;
    expect(await sessionOf(forged)).toBeNull();
    expectProblem(await call('GET', 'list-sessions', { cookie: forged }), 401, 'unauthenticated');
    expectProblem(await call('GET', 'list-sessions', { bearer: session.token }), 401, 'unauthenticated');
  });

  test('of another user is not ended, and the answer does not tell', async () => {
    const [one, two] = [await person(), await person()];
    const foreign = await post('revoke-session', { token: two.sessionId }, one.cookie);
    const unknown = await post('revoke-session', { token: 'unknown' }, one.cookie);
    expect([foreign.status, foreign.text]).toEqual([unknown.status, unknown.text]);
    expect(await sessionOf(two.cookie)).toMatchObject({ session: { id: two.sessionId } });
    for (const path of ['revoke-sessions', 'revoke-other-sessions']) {
      expect((await post(path, {}, one.cookie)).status).toBe(path === 'revoke-sessions' ? 200 : 401);
      expect(await sessionOf(two.cookie)).not.toBeNull();
    }
  });

  test('ends with its tokens, and the audit log tells who ended it', async () => {
    const user = await person();
    expect((await post('revoke-sessions', {}, user.cookie)).status).toBe(200);
    const json = { token: user.tokens.access_token };
    expect((await send(copy.url, 'POST', '/v1/tokens/validate', { json })).body).toMatchObject({
      active: false,
      reason: 'session_ended',
    });
    const rows = await harness.rows`SELECT detail ->> 'reason' AS reason FROM audit_outbox
      WHERE type = 'session.ended' AND actor_id = ${user.id}`;
    expect(rows).toEqual([{ reason: 'ended_by_user' }]);
  });

  test('is not ended by a page of another site', async () => {
    const user = await person();
    for (const path of ['revoke-sessions', 'revoke-other-sessions', 'sign-out'])
      expectProblem(await post(path, {}, user.cookie, 'https://evil.example'), 403, 'origin_refused');
    expect(await sessionOf(user.cookie)).not.toBeNull();
  });

  test('is not forgotten by the browser because a page of another site sends a form, which comes without the cookie', async () => {
    for (const path of ['sign-out', 'signout', 'revoke-sessions']) {
      const { status, headers } = await call('POST', path, { form: '', headers: { origin: 'https://evil.example' } });
      expect([path, status < 400, headers.getSetCookie()]).toEqual([path, false, []]);
    }
  });
});

describe('a second factor', () => {
  async function enrolled() {
    const user = await person();
    const { body } = await post('two-factor/enable', { password: user.password }, user.cookie);
    expect(body).toMatchObject({ method: 'totp', totp_uri: body.totpURI, recovery_codes: body.backupCodes });
    return { user, uri: body.totpURI as string };
  }

  test('is confirmed only after a recent sign-in', async () => {
    const { user, uri } = await enrolled();
    const [{ token }] =
      await harness.rows`UPDATE sessions SET "createdAt" = now() - interval '1 hour' WHERE id = ${user.sessionId}
        RETURNING token`;
    await copy.ports.auth.forget(token);
    const refused = await post('two-factor/verify-totp', { code: codeOf(uri) }, user.cookie);
    expectProblem(refused, 403, 'step_up_required');
  });

  test('is asked for by a cookie that scripts cannot read; no page of another site answers it, and it is used once', async () => {
    const { user, uri } = await enrolled();
    expect((await post('two-factor/verify-totp', { code: codeOf(uri) }, user.cookie)).status).toBe(200);
    const asked = await post('sign-in/email', { email: user.email, password: user.password });
    expect(asked.body).toMatchObject({ twoFactorRedirect: true, twoFactorMethods: ['totp'] });
    const [line = '', ...others] = asked.headers.getSetCookie();
    expect(line).toMatch(/^better-auth\.two_factor=[\w-]{43}; Path=\/; Max-Age=600; HttpOnly; SameSite=Lax$/);
    expect(others).toEqual([]);
    const cookie = cookieOf(asked);
    const code = { code: codeOf(uri, 1) };
    expectProblem(await post('two-factor/verify-totp', code, cookie, 'https://evil.example'), 403, 'origin_refused');
    expectProblem(await post('two-factor/verify-totp', code), 401, 'challenge_over');
    const opened = await post('two-factor/verify-totp', code, cookie);
    expect([opened.status, opened.body.user.twoFactorEnabled]).toEqual([200, true]);
    expect(opened.headers.getSetCookie().join('\n')).toContain('better-auth.two_factor=; Path=/; Max-Age=0');
    expectProblem(await post('two-factor/verify-totp', { code: codeOf(uri, 1) }, cookie), 401, 'challenge_over');
  });

  test('of a passkey needs the challenge of this browser', async () => {
    const response = { clientDataJSON: 'x', authenticatorData: 'x', signature: 'x' };
    const json = { response: { id: 'x', rawId: 'x', type: 'public-key', response } };
    expectProblem(await post('passkey/verify-authentication', json), 401, 'passkey_refused');
    const asked = await call('GET', 'passkey/generate-authenticate-options');
    const [line = ''] = asked.headers.getSetCookie();
    expect(line).toMatch(/^better-auth-passkey=[^;]+; Path=\/; Max-Age=300; HttpOnly; SameSite=Lax$/);
    expectProblem(await post('passkey/verify-authentication', json, cookieOf(asked)), 401, 'passkey_refused');
  });
});

describe('a mailed link', () => {
  test('leads to the page that an application names, with the code that sets the password', async () => {
    const { email } = await person();
    const redirectTo = `${APP}/set-password?from=mail`;
    expect((await post('request-password-reset', { email, redirectTo })).body.status).toBe(true);
    const text = (await mails.to(email)).at(-1)?.text ?? '';
    const link = new URL(/https:\S+token=\S+/.exec(text)?.[0] ?? '');
    expect(`${link.origin}${link.pathname}`).toBe(`${APP}/set-password`);
    expect(link.searchParams.get('from')).toBe('mail');
    const reset = { token: link.searchParams.get('token'), newPassword: newPassword() };
    expect((await post('reset-password', reset)).body).toEqual({ status: true });
    expectProblem(await post('reset-password', reset), 400, 'code_invalid');
  });

  test('that verifies an address goes on to the application; another address is dropped', async () => {
    const [email, password] = [newEmail(), newPassword()];
    const made = await post('sign-up/email', { email, password, name: 'Ada', callbackURL: `${APP}/welcome` });
    const text = (await mails.to(email)).at(-1)?.text ?? '';
    const page = new URL(/https?:\S+verify-email\?\S+/.exec(text)?.[0] ?? '');
    expect(page.searchParams.get('callbackURL')).toBe(`${APP}/welcome`);
    const shown = await send(copy.url, 'GET', page.pathname + page.search, { cookie: cookieOf(made) });
    const dropped = await send(copy.url, 'GET', `${page.pathname}?callbackURL=https://evil.example/`);
    expect(shown.headers.get('content-security-policy')).toContain(`form-action 'self' ${APP}`);
    expect(dropped.text).not.toContain('evil.example');
    const form = {
      form_token: /name="form_token" value="([^"]+)"/.exec(shown.text)?.[1] ?? '',
      token: page.hash.slice(1),
      callback_url: /name="callback_url" value="([^"]+)"/.exec(shown.text)?.[1] ?? '',
    };
    const cookie = [cookieOf(made), cookieOf(shown)].join('; ');
    const verified = await send(copy.url, 'POST', page.pathname, { form, cookie, headers: { origin: API_URL } });
    expect([verified.status, verified.headers.get('location')]).toEqual([303, `${APP}/welcome`]);
    const [row] = await harness.rows`SELECT "emailVerified" IS NOT NULL AS verified FROM users WHERE email = ${email}`;
    expect(row).toEqual({ verified: true });
  });
});

test('a sign-up whose address must be verified first answers no user, and an error has a text for the user', async () => {
  const strict = await harness.startCopy({ hashes: false, env: { REQUIRE_EMAIL_VERIFICATION: 'true' } });
  const json = { email: newEmail(), password: newPassword(), name: 'Ada' };
  const made = await send(strict.url, 'POST', '/api/auth/sign-up/email', { json });
  expect([made.status, made.body]).toEqual([200, { status: 'verification_required', token: null, user: null }]);
  const refused = await post('sign-in/email', { email: newEmail(), password: newPassword() });
  expectProblem(refused, 401, 'login_refused');
  expect(refused.body.message).toBe('E-mail or password is wrong');
});
