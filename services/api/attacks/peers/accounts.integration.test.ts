import { randomUUID } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import type { CodePurpose } from '#services/core/identity/mail/one-time-codes.store.ts';
import { issueCode } from '#services/core/identity/mail/one-time-codes.ts';
import { mailContext } from '#services/core/keys/secrets/sealed-contexts.ts';
import { act, enrolled } from '#tools/testing/flows/factor-flows.ts';
import { newEmail, newPassword, signIn, signUp, type TestUser } from '#tools/testing/flows/flows.ts';
import { newPerson } from '#tools/testing/flows/people.ts';
import { API_URL, openApiHarness } from '#tools/testing/harness/api.ts';
import { cookieOf, type Json, type Received, requestText, send, sendBytes } from '#tools/testing/http-client.ts';
import { opened } from '#tools/testing/opened.ts';

/** How the accounts of users of other servers were taken over, tried on this one. */
const harness = opened(openApiHarness);
const copy = opened(() => harness.startCopy({ env: { TRUSTED_PROXIES: '127.0.0.1' } }));
const victim = opened(newUser);
const attacker = opened(newUser);

type Sent = Parameters<typeof send>[3];
const post = (path: string, json: Json, sent: Sent = {}): Promise<Received> =>
  send(copy.url, 'POST', path, { json, ...sent, headers: { origin: API_URL, ...sent?.headers } });
const at = (): { api: string } => ({ api: copy.url });

/** A user whose address is verified. */
async function newUser(): Promise<TestUser> {
  const user = await signUp(at());
  await harness.rows`UPDATE users SET "emailVerified" = now() WHERE id = ${user.id}`;
  return user;
}
const isPassword = async (email: string, password: string): Promise<boolean> =>
  (await post('/api/auth/signin', { email, password })).status === 200;
const isLive = async (cookie: string): Promise<boolean> =>
  (await send(copy.url, 'GET', '/api/auth/session', { cookie })).status === 200;
const rolesOf = async (id: string): Promise<string[]> =>
  (await harness.rows`SELECT role FROM user_roles WHERE user_id = ${id} ORDER BY role`).map(({ role }) => role);

/** What the mails that wait were asked with, the oldest first. */
async function mails(): Promise<Json[]> {
  const rows = await harness.rows`SELECT id, sealed FROM mail_outbox ORDER BY id`;
  return rows.map(({ id, sealed }) =>
    JSON.parse(copy.ports.vault.open(sealed as string, mailContext(id as string)).toString()),
  );
}
/** A code as a mail carries it. */
async function codeFor(
  purpose: CodePurpose,
  { id, email, sessionId }: { id: string | null; email: string; sessionId?: string },
): Promise<string> {
  const [user] = await harness.rows`SELECT "tokenEpoch" AS epoch FROM users WHERE id = ${id}`;
  const issued = await issueCode(copy.workerPorts.sql, copy.ports, {
    id: copy.ports.random.uuid(),
    purpose,
    userId: id,
    userEpoch: user?.epoch ?? null,
    email,
    lifeSeconds: 600,
    isUnasked: true,
    ...(id === null ? { carries: { name: 'Ada' } } : {}),
    ...(purpose === 'change_email' ? { carries: { sessionId } } : {}),
  });
  if (issued === null) throw new Error('no code');
  return issued.code;
}
/** What redeems a mailed code. */
const REDEEMS: Readonly<Record<string, { readonly by: readonly CodePurpose[]; readonly body: object }>> = {
  '/api/auth/verify-email': {
    by: ['sign_up', 'verify_email', 'change_email'],
    body: { password: 'a new password of this one' },
  },
  '/api/auth/reset-password': { by: ['reset_password'], body: { new_password: 'a new password of this one' } },
  '/api/auth/accept-invitation': { by: ['invitation'], body: { new_password: 'a new password of this one' } },
  '/api/auth/unlock': { by: ['unlock_account'], body: {} },
};
const PURPOSES = Object.values(REDEEMS).flatMap(({ by }) => by);
const redeem = (path: string, token: string, sent: object = {}): Promise<Received> =>
  post(path, { token, ...REDEEMS[path]?.body, ...sent });
const invitedBy = async (email: string, roles: readonly string[] = ['auditor']): Promise<string> => {
  const { bearer } = await newPerson(copy, ['admin']);
  const made = await post('/v1/admin/users', { email, roles, reason: 'joins' }, { bearer });
  expect(made.status, made.text).toBe(201);
  return made.body.user_id ?? made.body.id;
};

describe('a mailed code', () => {
  test('is redeemed only for what it was mailed for (CVE-2026-114607, Better Auth: a state of OAuth was accepted as a magic link)', async () => {
    for (const purpose of PURPOSES)
      for (const [path, { by }] of Object.entries(REDEEMS)) {
        if (by.includes(purpose)) continue;
        const code = await codeFor(purpose, victim);
        const { status, body } = await redeem(path, code);
        expect([purpose, path, status, body.code]).toEqual([purpose, path, 400, 'code_invalid']);
      }
    expect(await isPassword(victim.email, victim.password)).toBe(true);
  });

  test('is over when its time is, whether or not it was cleaned up (CVE-2025-64708, authentik: an invitation was valid until a job deleted it)', async () => {
    for (const [path, { by }] of Object.entries(REDEEMS))
      for (const purpose of by) {
        const code = await codeFor(purpose, victim);
        await harness.rows`UPDATE one_time_codes SET expires_at = clock_timestamp() WHERE email = ${victim.email}`;
        expect([purpose, (await redeem(path, code)).body.code]).toEqual([purpose, 'code_invalid']);
      }
  });

  test('is redeemed once (CVE-2026-37982, Keycloak: a mailed token of required actions could be used again, to add a passkey)', async () => {
    for (const [path, { by }] of Object.entries(REDEEMS))
      for (const purpose of by) {
        // A code of these is for an address that is not verified yet; that of a new address asks for the old password.
        const isNew = ['verify_email', 'invitation'].includes(purpose);
        const person =
          purpose === 'sign_up' ? { id: null, email: newEmail() } : await (isNew ? signUp(at()) : newUser());
        const code = await codeFor(purpose, person);
        const once = purpose === 'change_email' ? { password: (person as TestUser).password } : {};
        expect([purpose, (await redeem(path, code, once)).status]).toEqual([purpose, 200]);
        expect([purpose, (await redeem(path, code, once)).body.code]).toEqual([purpose, 'code_invalid']);
      }
  });
});

describe('a password reset', () => {
  test('mails a link to this installation, whatever the request says of its host (CVE-2025-64101, ZITADEL: the link went where a forwarding header said)', async () => {
    const lies: Record<string, string>[] = [
      { 'x-forwarded-host': 'evil.example' },
      { forwarded: 'host=evil.example;proto=http' },
      { 'x-forwarded-proto': 'http', 'x-forwarded-port': '81' },
      { 'x-original-host': 'evil.example', 'x-host': 'evil.example', 'x-forwarded-server': 'evil.example' },
      { referer: 'https://evil.example/' },
    ];
    for (const headers of lies) await post('/api/auth/request-password-reset', { email: victim.email }, { headers });
    const body = JSON.stringify({ email: victim.email });
    const json = ['Content-Type: application/json', 'X-Forwarded-For: 192.0.2.1'];
    const hosted = requestText('POST', '/api/auth/request-password-reset', json, body);
    await sendBytes(copy.url, hosted.replace('Host: sallyport.test', 'Host: evil.example'));
    const asked = (await mails()).filter(({ to, template }) => to === victim.email && template === 'reset_password');
    expect(asked).toHaveLength(lies.length + 1);
    expect(new Set(asked.map(({ publicUrl }) => publicUrl))).toEqual(new Set([API_URL]));
  });

  test('goes to one address, which is the account’s (CVE-2023-7028, GitLab: a list of addresses got the mail for the first)', async () => {
    const before = (await mails()).length;
    const both = [victim.email, attacker.email];
    for (const email of [both, { 0: victim.email, 1: attacker.email }, both.join(','), both.join(' '), both.join('\n')])
      expect((await post('/api/auth/request-password-reset', { email })).body.code).toBe('request_invalid');
    const page = await send(copy.url, 'GET', '/account/forgot-password');
    const token = /name="form_token" value="([^"]+)"/.exec(page.text)?.[1] ?? '';
    const fields = new URLSearchParams({ form_token: token, next: '' });
    for (const email of both) fields.append('email', email);
    const form = fields.toString();
    const sent = await send(copy.url, 'POST', '/account/forgot-password', {
      form,
      cookie: cookieOf(page),
      headers: { origin: API_URL },
    });
    expect(sent.status, sent.text).toBe(400);
    expect(await mails()).toHaveLength(before);
  });

  test('needs the code of the mail, in whatever order its steps are sent (CVE-2026-18963, Keycloak: a step of the flow was taken as done)', async () => {
    const asked = await post('/api/auth/request-password-reset', { email: victim.email });
    await codeFor('reset_password', victim);
    const password = newPassword();
    for (const token of ['', ' ', 'null', 'undefined', victim.id, victim.email, '*', '%', '0']) {
      const sent = { token, new_password: password };
      expect([token, (await post('/api/auth/reset-password', sent)).body.code]).toEqual([token, 'code_invalid']);
    }
    const page = await send(copy.url, 'GET', '/account/reset-password');
    const form_token = /name="form_token" value="([^"]+)"/.exec(page.text)?.[1] ?? '';
    for (const code of ['', ' ', '0', 'undefined']) {
      const form = { form_token, token: '', email: victim.email, code, password, next: '' };
      const cookie = [cookieOf(asked), cookieOf(page)].filter((one) => one !== '').join('; ');
      const sent = { form, cookie, headers: { origin: API_URL } };
      expect((await send(copy.url, 'POST', '/account/reset-password', sent)).status).toBe(400);
    }
    expect([await isPassword(victim.email, password), await isPassword(victim.email, victim.password)]).toEqual([
      false,
      true,
    ]);
  });
});

describe('an invited account', () => {
  test('gives its roles for the code of the invitation alone, not to a password reset after that ended (CVE-2023-48220, Decidim: a reset accepted an expired invitation)', async () => {
    const email = newEmail();
    const id = await invitedBy(email);
    const invitation = await codeFor('invitation', { id, email });
    await harness.rows`UPDATE one_time_codes SET expires_at = clock_timestamp() WHERE user_id = ${id}`;
    expect((await redeem('/api/auth/reset-password', await codeFor('reset_password', { id, email }))).status).toBe(200);
    expect((await redeem('/api/auth/accept-invitation', invitation)).body.code).toBe('code_invalid');
    expect(await rolesOf(id)).toEqual(['user']);
  });

  test('gives nothing to who signed up with the address before and never read its mail (CVE-2026-53514, Better Auth: an unverified address accepted the invitation)', async () => {
    const squatter = await signUp(at());
    const { bearer } = await newPerson(copy, ['admin']);
    const invited = await post(`/v1/admin/users/${squatter.id}/invite`, { reason: 'joins' }, { bearer });
    expect(invited.status, invited.text).toBe(200);
    const [{ id: invitationId }] = await harness.rows`SELECT id FROM invitations WHERE user_id = ${squatter.id}`;
    for (const token of [invitationId, squatter.id, squatter.sessionId])
      for (const sent of [{}, { cookie: squatter.cookie }])
        expect((await post('/api/auth/accept-invitation', { token, new_password: newPassword() }, sent)).status).toBe(
          400,
        );
    expect((await redeem('/api/auth/accept-invitation', await codeFor('invitation', squatter))).status).toBe(200);
    expect([await isLive(squatter.cookie), await isPassword(squatter.email, squatter.password)]).toEqual([
      false,
      false,
    ]);
  });

  test('without any credential is opened by nothing but its mail (CVE-2026-119128, ZITADEL: a cookie that anyone could compute set the first credential)', async () => {
    const email = newEmail();
    const id = await invitedBy(email);
    const password = newPassword();
    const forged = ['better-auth.session_token', 'verificationCheck', 'better-auth.session_data']
      .map((name) => `${name}=${encodeURIComponent(`${id}.${'A'.repeat(43)}=`)}`)
      .join('; ');
    const tries: readonly [string, Json][] = [
      ['/api/auth/signin', { email, password: '' }],
      ['/api/auth/signin', { email, password: 'no password has this form' }],
      ['/api/auth/signup', { email, password }],
      ['/api/auth/change-password', { current_password: '', new_password: password }],
      ['/api/auth/two-factor/enable', { password: '' }],
      ['/api/auth/step-up', { password: '' }],
      ['/api/auth/passkey/register/options', {}],
      ['/api/auth/link-social', { provider: 'google' }],
      ['/v1/tokens', { user_id: id }],
    ];
    for (const [path, json] of tries)
      for (const sent of [{}, { cookie: forged }]) {
        const { status } = await post(path, json, sent);
        expect([path, status >= 400 && status < 500]).toEqual([path, true]);
      }
    const owned = `SELECT (SELECT count(*) FROM accounts WHERE "userId" = $1) + (SELECT count(*) FROM passkeys WHERE "userId" = $1)
      + (SELECT count(*) FROM sessions WHERE "userId" = $1) + (SELECT count(*) FROM refresh_families WHERE user_id = $1) AS things`;
    expect(await harness.rows(owned, [id])).toEqual([{ things: 0 }]);
  });
});

describe('whether an address has an account', () => {
  /** An answer, without what differs between any two. */
  const comparable = ({ status, headers, text }: Received, email: string) => ({
    status,
    headers: [...headers.keys()].filter((name) => name !== 'date').sort(),
    text: text
      .replaceAll(email, 'EMAIL')
      .replaceAll(/"trace_id":"\w+"/g, '')
      .replaceAll(/(name="form_token" value=")[^"]*/g, '$1')
      .replaceAll(/nonce[-=]"?[\w+/=-]+/g, ''),
  });
  /** One of each kind of address, all of one length. */
  async function addresses(): Promise<Record<string, string>> {
    const [known, disabled, bare] = [await newUser(), await newUser(), await newUser()];
    const unverified = await signUp(at());
    await harness.rows`UPDATE users SET "disabledAt" = now() WHERE id = ${disabled.id}`;
    await harness.rows`DELETE FROM accounts WHERE "userId" = ${bare.id}`;
    return {
      unknown: newEmail(),
      known: known.email,
      disabled: disabled.email,
      'without password': bare.email,
      unverified: unverified.email,
    };
  }
  async function answersOf(ask: (email: string) => Promise<Received>) {
    const answers = [];
    for (const email of Object.values(await addresses())) answers.push(comparable(await ask(email), email));
    return answers;
  }
  const fill = async (path: string, fields: (email: string) => Record<string, string>, email: string) => {
    const page = await send(copy.url, 'GET', path);
    const form_token = /name="form_token" value="([^"]+)"/.exec(page.text)?.[1] ?? '';
    const form = { form_token, next: '', ...fields(email) };
    return send(copy.url, 'POST', path, { form, cookie: cookieOf(page), headers: { origin: API_URL } });
  };

  test('is not told by a refused sign-in (CVE-2026-4633, Keycloak: a wrong password of a known user had words of its own)', async () => {
    const password = 'wrong wrong wrong wrong';
    for (const ask of [
      (email: string) => post('/api/auth/signin', { email, password }),
      (email: string) => post('/api/auth/sign-in/email', { email, password }),
      (email: string) => fill('/login', () => ({ email, password }), email),
    ]) {
      const [unknown, ...others] = await answersOf(ask);
      for (const other of others) expect(other).toEqual(unknown);
    }
  });

  test('is not told by what mails a link (CVE-2026-23511, ZITADEL: the pages for a mail answered an unknown user otherwise)', async () => {
    for (const ask of [
      (email: string) => post('/api/auth/request-password-reset', { email }),
      (email: string) => post('/api/auth/send-verification-email', { email }),
      (email: string) => post('/api/auth/request-unlock', { email }),
      (email: string) => fill('/account/forgot-password', () => ({ email }), email),
      (email: string) => fill('/account/resend-verification', () => ({ email }), email),
    ]) {
      const [unknown, ...others] = await answersOf(ask);
      for (const other of others) expect(other).toEqual(unknown);
    }
  });
});

describe('a session', () => {
  test('that the attacker put into the browser does not become the victim’s (CVE-2026-7507, Keycloak: a session begun by an attacker was continued by the victim’s sign-in)', async () => {
    const planted = await newUser();
    const { email, password } = victim;
    const signedIn = await post('/api/auth/signin', { email, password }, { cookie: planted.cookie });
    expect(signedIn.status, signedIn.text).toBe(200);
    const seen = await send(copy.url, 'GET', '/api/auth/session', { cookie: planted.cookie });
    expect([seen.status, seen.body?.user?.id]).toEqual([401, undefined]);
    expect(signedIn.body.session.id).not.toBe(planted.sessionId);
    // Nor does a value that the attacker made up.
    const made = cookieOf(signedIn).replaceAll(/session_token=[^;]+/g, `session_token=${randomUUID()}.AAAA`);
    const again = await post('/api/auth/signin', { email, password }, { cookie: made });
    expect(cookieOf(again)).not.toContain(made);
    expect(await isLive(made)).toBe(false);
  });

  test('is not reached by its id, which tokens and lists show (CVE-2025-53895, ZITADEL: the id of a session was enough to change it)', async () => {
    const { sessionId, cookie } = await signIn(at(), victim);
    const name = cookie.split('=', 1)[0];
    const signature = /\.([^.;]+)(?:;|$)/.exec(attacker.cookie)?.[1] ?? '';
    for (const value of [sessionId, `${sessionId}.${signature}`, `${sessionId}.${'A'.repeat(43)}%3D`])
      expect(await isLive(`${name}=${value}`)).toBe(false);
    const own = { cookie: attacker.cookie, headers: { origin: API_URL } };
    await send(copy.url, 'DELETE', `/v1/sessions/${sessionId}`, own);
    await send(copy.url, 'DELETE', `/v1/admin/sessions/${sessionId}?reason=mine`, own);
    await act(copy, attacker.cookie, '/api/auth/revoke-session', { token: sessionId });
    expect(await isLive(cookie)).toBe(true);
  });

  test('is ended where it is deleted, with all that it opened (CVE-2025-29928, authentik: a deleted session went on)', async () => {
    const { bearer } = await newPerson(copy, ['admin']);
    const { sessionId, cookie, tokens } = await signIn(at(), victim);
    expect(await isLive(cookie)).toBe(true);
    const ended = await send(copy.url, 'DELETE', `/v1/admin/sessions/${sessionId}?reason=lost`, { bearer });
    expect(ended.status, ended.text).toBe(204);
    expect(await isLive(cookie)).toBe(false);
    expect((await send(copy.url, 'GET', '/api/auth/user', { bearer: tokens.access_token })).status).toBe(401);
    const refreshed = await post('/v1/tokens/refresh', { refresh_token: tokens.refresh_token });
    expect([refreshed.status, refreshed.body.code]).toEqual([401, 'session_ended']);
  });
});

test('an address of the client that cannot be read is no way past the password (CVE-2024-47070, authentik: a forwarding header that was no address skipped the check)', async () => {
  const { person } = await enrolled(copy);
  for (const forwarded of ['a', '', ...'unknown 1.2.3 999.1.1.1 ::1%eth0 127.0.0.1:80 [::1 \u00e9 ,, *'.split(' ')]) {
    const headers = { 'x-forwarded-for': forwarded };
    await harness.rows`DELETE FROM login_failures`;
    const guess = { email: victim.email, password: 'wrong wrong wrong' };
    const wrong = await post('/api/auth/signin', guess, { headers });
    expect([forwarded, wrong.body.code, wrong.headers.getSetCookie()]).toEqual([forwarded, 'login_refused', []]);
    const { email, password } = person;
    const right = await post('/api/auth/signin', { email, password }, { headers });
    expect([forwarded, right.body.code]).toEqual([forwarded, 'second_factor_required']);
  }
});
