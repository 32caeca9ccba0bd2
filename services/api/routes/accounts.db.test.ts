import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { beginLogin, finishLogin, type LoginAnswer } from '../../domain/identity/open-session.ts';
import type { ApiCopy } from '../../platform/testing/api-copy.ts';
import { API_URL } from '../../platform/testing/api-copy.ts';
import { type ApiWorld, openApiWorld } from '../../platform/testing/api-world.ts';
import { newEmail, newPassword, signIn, type TestUser } from '../../platform/testing/flows.ts';
import { cookieOf, type Received, type Sent, send } from '../../platform/testing/http-client.ts';
import { type MailFolder, openMailFolder } from '../../platform/testing/mail-folder.ts';

let world: ApiWorld;
/** Gives sessions at once. */
let open: ApiCopy;
/** Gives them to proved addresses alone. */
let strict: ApiCopy;
let mails: MailFolder;

beforeAll(async () => {
  world = await openApiWorld();
  const env = { RATE_LIMIT_PROFILE: 'load', HASH_QUEUE: '64' };
  open = await world.startCopy({ env });
  strict = await world.startCopy({ env: { ...env, REQUIRE_EMAIL_VERIFICATION: 'true' } });
  mails = await openMailFolder(open.ports);
});
afterAll(async () => {
  await mails.close();
  await world.close();
});

const anonymous = { kind: 'anonymous', request: { ip: '', userAgent: '', traceId: '', traceparent: '' } } as const;
const PASSWORD = newPassword();
let digest: Promise<string> | undefined;

/** Somebody who has signed up where no proof is asked for, with a session and a pair; the password is hashed once. */
async function person(email = newEmail()): Promise<TestUser> {
  const { ports } = open;
  digest ??= ports.hasher.hash(PASSWORD, { clientPrefix: 'test', knownDevice: true });
  const id = randomUUID();
  await world.rows('INSERT INTO users (id, email, name) VALUES ($1, $2, $3)', [id, email, 'Ada']);
  await world.rows(
    `INSERT INTO accounts (id, "accountId", "providerId", "userId", password) VALUES ($1, $1, 'credential', $1, $2)`,
    [id, await digest],
  );
  await post('send-verification-email', { email });
  const login = await ports.auth.transact(async (tx) => {
    const assurance = { amr: ['pwd'], acr: 'aal1' } as const;
    return beginLogin(tx, ports, await ports.auth.openSession({ userId: id, assurance }, anonymous.request), anonymous);
  });
  const { body, setCookie }: LoginAnswer = await finishLogin(ports, login, anonymous);
  const cookie = setCookie.map((line) => line.split(';', 1)[0]).join('; ');
  return { id, email, password: PASSWORD, sessionId: body.session.id, cookie, tokens: body.tokens };
}

const at = (copy: ApiCopy) => ({ api: copy.url });
const post = (path: string, json: object, sent: Sent = {}, copy = open): Promise<Received> =>
  send(copy.url, 'POST', `/api/auth/${path}`, { json, ...sent });
const bearer = ({ tokens }: Pick<TestUser, 'tokens'>): Sent => ({ bearer: tokens.access_token });
const own = (user: Pick<TestUser, 'cookie'>): Sent => ({ cookie: user.cookie, headers: { origin: API_URL } });
const newest = async (email: string) => (await mails.to(email)).at(-1);
const codeFor = async (email: string): Promise<string> => (await newest(email))?.code ?? 'no mail';

/** Whether anything of a login still works: cookie, access token, refresh token. */
async function isAlive({ cookie, tokens }: TestUser): Promise<boolean[]> {
  const [session, validated, refreshed] = await Promise.all([
    send(open.url, 'GET', '/api/auth/session', { cookie }),
    send(open.url, 'POST', '/v1/tokens/validate', { json: { token: tokens.access_token } }),
    send(open.url, 'POST', '/v1/tokens/refresh', { json: { refresh_token: tokens.refresh_token } }),
  ]);
  return [session.status === 200, validated.body.active, refreshed.status === 200];
}
const ALIVE = [true, true, true];
const DEAD = [false, false, false];

/** What an answer tells its reader, without what is different each time. */
const told = ({ status, body, headers }: Received) => ({
  status,
  body,
  headers: [...headers.keys()].filter((name) => !name.startsWith('ratelimit')).sort(),
});

describe('an address that must be proved first', () => {
  const ask = (email: string, password = newPassword()): Promise<Received> =>
    post('signup', { email, password, name: 'Ada' }, {}, strict);

  test('U6 sign-up answers alike for a new and a known address, with no session; a mail tells them apart', async () => {
    const known = await person();
    await post('verify-email', { token: await codeFor(known.email) });
    const fresh = newEmail();
    const [toKnown, toFresh] = [await ask(known.email), await ask(fresh)];
    expect(told(toKnown)).toEqual(told(toFresh));
    expect(toFresh).toMatchObject({ status: 200, body: { status: 'verification_required' } });
    expect(toFresh.headers.getSetCookie()).toEqual([]);
    expect(await world.rows('SELECT 1 FROM users WHERE email = $1', [fresh])).toEqual([]);
    expect(await newest(fresh)).toMatchObject({ page: `${API_URL}/account/verify-email` });
    expect(await newest(known.email)).toMatchObject({ subject: 'You have an account already' });
  });

  test('C-USR-08 the account begins with the proof, and signs in with the password of that sign-up', async () => {
    const [email, password] = [newEmail(), newPassword()];
    await ask(email, password);
    expect(await post('signin', { email, password }, {}, strict)).toMatchObject({ status: 401 });
    const token = await codeFor(email);
    expect(await post('verify-email', { token }, {}, strict)).toMatchObject({
      status: 200,
      body: { status: 'verified' },
    });
    const user = await signIn(at(strict), { email, password });
    const rows = await world.rows('SELECT name, "emailVerified" FROM users WHERE id = $1', [user.id]);
    expect(rows).toEqual([{ name: 'Ada', emailVerified: expect.any(Date) }]);
  });

  test('U8 twenty redemptions at once of one code: one success; a used code is refused and recorded', async () => {
    const email = newEmail();
    await ask(email);
    const token = await codeFor(email);
    const answers = await Promise.all(Array.from({ length: 20 }, () => post('verify-email', { token }, {}, strict)));
    const codes = answers.map(({ status, body }) => (status === 200 ? 'verified' : body.code)).sort();
    expect(codes).toEqual([...Array(19).fill('code_invalid'), 'verified']);
    const users = await world.rows('SELECT id FROM users WHERE email = $1', [email]);
    expect(users.length).toBe(1);
    expect((await world.rows(`SELECT 1 FROM audit_outbox WHERE type = 'code.refused'`)).length).toBeGreaterThanOrEqual(
      19,
    );
  });

  test('an account that nobody has proved gets no session, whoever knows its password', async () => {
    const user = await person();
    const { email, password } = user;
    expect(await post('signin', { email, password }, {}, strict)).toMatchObject({
      status: 403,
      body: { code: 'email_unverified' },
    });
    expect(await post('signin', { email, password: 'another one altogether' }, {}, strict)).toMatchObject({
      status: 401,
    });
  });

  test('another mail is sent for what waits for a proof; of an address at most three are alive', async () => {
    const [pending, unverified] = [newEmail(), await person()];
    await ask(pending);
    const first = await codeFor(pending);
    for (let n = 0; n < 4; n += 1) {
      const answers = [
        await post('send-verification-email', { email: pending }),
        await post('send-verification-email', { email: newEmail() }),
        await post('send-verification-email', { email: unverified.email.toUpperCase() }),
      ];
      expect(new Set(answers.map((answer) => JSON.stringify(told(answer)))).size).toBe(1);
      await mails.deliver();
    }
    expect((await mails.to(pending)).length).toBe(3);
    expect((await mails.to(unverified.email)).length).toBe(3);
    expect(await post('verify-email', { token: await codeFor(unverified.email) })).toMatchObject({ status: 200 });
    expect(await post('verify-email', { token: first })).toMatchObject({ status: 200 });
    // Every code of the address goes with the proof.
    expect(await post('verify-email', { token: await codeFor(pending) })).toMatchObject({ status: 400 });
  });
});

describe('who takes an address before its owner', () => {
  test('a sign-up that the owner proves ends password, sessions and tokens of who was there before', async () => {
    const email = newEmail();
    const attacker = await person(email);
    await world.rows(
      `INSERT INTO accounts (id, "accountId", "providerId", "userId") VALUES ($1, 'elsewhere', 'github', $2)`,
      [randomUUID(), attacker.id],
    );
    const password = newPassword();
    await post('signup', { email, password }, {}, strict);
    expect(await post('verify-email', { token: await codeFor(email) })).toMatchObject({ status: 200 });
    expect(await isAlive(attacker)).toEqual(DEAD);
    expect(await post('signin', { email, password: attacker.password })).toMatchObject({ status: 401 });
    const ways = await world.rows(`SELECT "providerId" FROM accounts WHERE "userId" = $1`, [attacker.id]);
    expect(ways).toEqual([{ providerId: 'credential' }]);
    expect(await isAlive(await signIn(at(strict), { email, password }))).toEqual(ALIVE);
  });

  test('so does a reset of the password', async () => {
    const email = newEmail();
    const attacker = await person(email);
    await post('request-password-reset', { email });
    const password = newPassword();
    const reset = await post('reset-password', { token: await codeFor(email), new_password: password });
    expect(reset).toMatchObject({ status: 200, body: { status: 'password_reset' } });
    expect(await isAlive(attacker)).toEqual(DEAD);
    const owner = await signIn(at(strict), { email, password });
    expect(owner.id).toBe(attacker.id);
  });
});

describe('a new password', () => {
  test('U7 a change ends every session and token of the account; the answer is a new session', async () => {
    const here = await person();
    const there = await signIn(at(open), here);
    const password = newPassword();
    const changed = await post(
      'change-password',
      { current_password: here.password, new_password: password },
      own(here),
    );
    expect(changed.status, changed.text).toBe(200);
    expect(changed.body.session.id).not.toBe(here.sessionId);
    expect(await isAlive(there)).toEqual(DEAD);
    expect(await isAlive(here)).toEqual(DEAD);
    expect(await isAlive({ ...here, cookie: cookieOf(changed), tokens: changed.body.tokens })).toEqual(ALIVE);
    expect(await post('signin', { email: here.email, password: here.password })).toMatchObject({ status: 401 });
    await signIn(at(open), { email: here.email, password });
    expect(await newest(here.email)).toMatchObject({ subject: 'Your password was changed', code: undefined });
  });

  test('by bearer and under Better Auth’s names; a wrong current one is refused and changes nothing', async () => {
    const user = await person();
    const wrong = await post(
      'change-password',
      { currentPassword: 'not the right one', newPassword: newPassword() },
      bearer(user),
    );
    expect(wrong).toMatchObject({ status: 403, body: { code: 'current_password_wrong' } });
    const short = await post('change-password', { currentPassword: user.password, newPassword: 'short' }, bearer(user));
    expect(short).toMatchObject({ status: 400, body: { code: 'password_too_short' } });
    expect((await isAlive(user))[0]).toBe(true);
    const json = { currentPassword: user.password, newPassword: newPassword(), revokeOtherSessions: true };
    expect(await post('change-password', json, bearer(user))).toMatchObject({ status: 200 });
    expect(await isAlive(user)).toEqual(DEAD);
  });

  test('without a login it is 401; a token of another client is not its owner', async () => {
    const json = { current_password: 'x', new_password: newPassword() };
    expect(await post('change-password', json)).toMatchObject({ status: 401 });
    const { tokens } = await person();
    const client = await world.newClient(['tokens:issue']);
    const { body: me } = await send(open.url, 'GET', '/api/auth/user', { bearer: tokens.access_token });
    const issued = await send(open.url, 'POST', '/v1/tokens', { basic: client, json: { user_id: me.user.id } });
    expect(issued.status, issued.text).toBe(201);
    expect(await post('change-password', json, { bearer: issued.body.access_token })).toMatchObject({ status: 403 });
  });

  test('U6 U7 a reset is asked for alike by known and unknown; the code counts once and ends every login', async () => {
    const user = await person();
    const asked = [
      await post('request-password-reset', { email: user.email }),
      await post('request-password-reset', { email: newEmail() }),
    ].map(told);
    expect(asked[0]).toEqual(asked[1]);
    const mail = await newest(user.email);
    expect(mail).toMatchObject({ page: `${API_URL}/account/reset-password` });
    const token = mail?.code ?? '';
    const refused = await post('reset-password', { token, newPassword: user.email });
    expect(refused).toMatchObject({ status: 400, body: { code: 'password_has_email' } });
    const passwords = Array.from({ length: 4 }, newPassword);
    const answers = await Promise.all(passwords.map((new_password) => post('reset-password', { token, new_password })));
    const won = answers.findIndex(({ status }) => status === 200);
    expect(answers.filter(({ status }) => status === 200).length).toBe(1);
    expect(answers.filter(({ body }) => body.code === 'code_invalid').length).toBe(3);
    expect(answers[won]?.headers.getSetCookie()).toEqual([]);
    expect(await isAlive(user)).toEqual(DEAD);
    await signIn(at(open), { email: user.email, password: passwords[won] ?? '' });
  });

  test('a code of another purpose, a changed one and one out of date are none', async () => {
    const user = await person();
    const verification = await codeFor(user.email);
    await post('request-password-reset', { email: user.email });
    const token = await codeFor(user.email);
    const password = { new_password: newPassword() };
    for (const other of [verification, `${token.slice(0, -2)}AA`, '', 'a'.repeat(128)])
      expect(await post('reset-password', { token: other, ...password })).toMatchObject({ status: 400 });
    await world.rows(`UPDATE one_time_codes SET expires_at = now() WHERE email = $1`, [user.email]);
    expect(await post('reset-password', { token, ...password })).toMatchObject({ body: { code: 'code_invalid' } });
    expect(await isAlive(user)).toEqual(ALIVE);
  });

  test('a disabled account is sent no code, and one it had does not count', async () => {
    const user = await person();
    await post('request-password-reset', { email: user.email });
    const token = await codeFor(user.email);
    const before = (await mails.to(user.email)).length;
    await world.rows('UPDATE users SET "disabledAt" = now() WHERE id = $1', [user.id]);
    await post('request-password-reset', { email: user.email });
    expect((await mails.to(user.email)).length).toBe(before);
    expect(await post('reset-password', { token, new_password: newPassword() })).toMatchObject({ status: 400 });
    expect(await post('verify-email', { token: (await mails.to(user.email))[0]?.code ?? '' })).toMatchObject({
      status: 400,
    });
  });

  test('C-CRD-05 whoever writes another digest ends every login; the same password under a new digest ends none', async () => {
    const user = await person();
    const [before] = await world.rows('SELECT "passwordChangedAt", "lastLoginAt" FROM users WHERE id = $1', [user.id]);
    expect(before).toEqual({ passwordChangedAt: expect.any(Date), lastLoginAt: expect.any(Date) });
    const digest = `(SELECT password FROM accounts WHERE "userId" = $1)`;
    const upgrade = await world.rows(`SELECT account_password_upgrade($1, ${digest}, 'stronger') AS done`, [user.id]);
    expect(upgrade).toEqual([{ done: true }]);
    expect(await world.rows(`SELECT account_password_upgrade($1, 'another', 'x') AS done`, [user.id])).toEqual([
      { done: false },
    ]);
    expect(await isAlive(user)).toEqual(ALIVE);
    await world.rows(`UPDATE accounts SET password = 'by hand' WHERE "userId" = $1`, [user.id]);
    await open.poll.wake();
    const still = await send(open.url, 'POST', '/v1/tokens/validate', { json: { token: user.tokens.access_token } });
    expect(still.body.active).toBe(false);
    expect(await world.rows('SELECT 1 FROM sessions WHERE "userId" = $1', [user.id])).toEqual([]);
    const [after] = await world.rows('SELECT "passwordChangedAt" AS at FROM users WHERE id = $1', [user.id]);
    expect(after.at.getTime()).toBeGreaterThan(before.passwordChangedAt.getTime());
  });
});

describe('the profile', () => {
  test('A-USR-03 name and picture change, and every session shows it at once', async () => {
    const user = await person();
    const patch = { name: 'Grace', image: 'https://example.com/grace.png' };
    const changed = await send(open.url, 'PATCH', '/api/auth/user', { json: patch, ...own(user) });
    expect(changed).toMatchObject({ status: 200, body: { user: patch } });
    expect((await send(open.url, 'GET', '/api/auth/session', { cookie: user.cookie })).body.user).toMatchObject(patch);
    expect(await post('update-user', { image: null }, bearer(user))).toMatchObject({
      body: { user: { name: 'Grace', image: null } },
    });
    expect((await send(open.url, 'GET', '/api/auth/user', bearer(user))).body.user).toMatchObject({
      name: 'Grace',
      image: null,
    });
    const events = await world.rows(
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
  ])('A2 %j is not for its owner to write', async (json) => {
    const { token } = await openUser();
    expect(await send(open.url, 'PATCH', '/api/auth/user', { json, bearer: token })).toMatchObject({ status: 400 });
  });

  test('U8 another address takes effect with its proof, the old one is told, and codes sent there end', async () => {
    const user = await person();
    await post('request-password-reset', { email: user.email });
    const oldCode = await codeFor(user.email);
    const email = newEmail();
    expect(await post('change-email', { new_email: email }, own(user))).toMatchObject({
      body: { status: 'verification_sent' },
    });
    expect((await send(open.url, 'GET', '/api/auth/user', bearer(user))).body.user.email).toBe(user.email);
    expect(await post('verify-email', { token: await codeFor(email) })).toMatchObject({ status: 200 });
    const { body } = await send(open.url, 'GET', '/api/auth/session', { cookie: user.cookie });
    expect(body.user).toMatchObject({ email, emailVerified: true });
    const claims = ({ access_token: token }: { readonly access_token: string }) =>
      JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString());
    expect(claims(user.tokens)).toMatchObject({ email: user.email, email_verified: false });
    const json = { refresh_token: user.tokens.refresh_token };
    const refreshed = await send(open.url, 'POST', '/v1/tokens/refresh', { json });
    expect(claims(refreshed.body)).toMatchObject({ email, email_verified: true });
    const notice = await newest(user.email);
    expect(notice).toMatchObject({ subject: 'The e-mail address of your account was changed' });
    expect(notice?.raw).not.toContain(email);
    expect(await post('reset-password', { token: oldCode, new_password: newPassword() })).toMatchObject({
      status: 400,
    });
    await signIn(at(open), { email, password: user.password });
  });

  test('an address that another account has is answered alike, and its owner is told', async () => {
    const [user, other] = [await person(), await person()];
    const [taken, free] = [
      await post('change-email', { newEmail: other.email }, own(user)),
      await post('change-email', { newEmail: newEmail() }, own(user)),
    ];
    expect(told(taken)).toEqual(told(free));
    expect(await newest(other.email)).toMatchObject({ subject: 'You have an account already' });
  });

  test('an address that another account took before the proof is 409, and the code stays for a better day', async () => {
    const user = await person();
    const email = newEmail();
    await post('change-email', { new_email: email }, own(user));
    const token = await codeFor(email);
    await world.rows('INSERT INTO users (id, email) VALUES ($1, $2)', [randomUUID(), email]);
    for (let n = 0; n < 2; n += 1)
      expect(await post('verify-email', { token })).toMatchObject({ status: 409, body: { code: 'email_taken' } });
  });

  test('U8 what is dangerous needs a fresh login', async () => {
    const user = await person();
    await world.rows(`UPDATE sessions SET "createdAt" = now() - interval '11 minutes' WHERE "userId" = $1`, [user.id]);
    await open.ports.auth.forget(decodeURIComponent(/session_token=([^.;]+)/.exec(user.cookie)?.[1] ?? ''));
    const answers = [
      await post('change-email', { new_email: newEmail() }, own(user)),
      await send(open.url, 'DELETE', '/api/auth/user', own(user)),
    ];
    expect(answers.map(({ status, body }) => [status, body.code])).toEqual(Array(2).fill([403, 'step_up_required']));
  });

  test('U7 deleting an account ends it with everything, and tells its address', async () => {
    const user = await person();
    const gone = await send(open.url, 'DELETE', '/api/auth/user', own(user));
    expect(gone).toMatchObject({ status: 200, body: { success: true } });
    expect(gone.headers.getSetCookie().every((line) => line.includes('Max-Age=0'))).toBe(true);
    expect(await isAlive(user)).toEqual(DEAD);
    expect(await world.rows('SELECT 1 FROM users WHERE id = $1', [user.id])).toEqual([]);
    expect(await newest(user.email)).toMatchObject({ subject: 'Your account was deleted' });
    expect(await post('delete-user', {}, bearer(user))).toMatchObject({ status: 401 });
  });
});

describe('mails', () => {
  test('a forged Host or X-Forwarded-Host changes no link', async () => {
    const user = await person();
    const headers = { 'x-forwarded-host': 'evil.test', 'x-forwarded-proto': 'http', forwarded: 'host=evil.test' };
    await post('request-password-reset', { email: user.email }, { headers });
    const mail = await newest(user.email);
    expect(mail?.page).toBe(`${API_URL}/account/reset-password`);
    expect(mail?.raw).not.toContain('evil.test');
  });

  test('what waits holds neither address nor code in clear, and a code is nowhere but in its mail', async () => {
    const user = await person();
    await post('request-password-reset', { email: user.email });
    const waiting = JSON.stringify(await world.rows('SELECT * FROM mail_outbox'));
    expect(waiting).toContain('reset_password');
    expect(waiting).not.toContain(user.email);
    const code = await codeFor(user.email);
    const kept = JSON.stringify([
      await world.rows('SELECT * FROM one_time_codes'),
      await world.rows('SELECT * FROM audit_outbox'),
    ]);
    expect(kept).not.toContain(code);
    expect(await mails.mode()).toBe(0o600);
  });

  test.each(['verify-email', 'reset-password'])(
    '/account/%s runs its own script alone and leaks no address',
    async (page) => {
      const { status, headers, text } = await send(open.url, 'GET', `/account/${page}`);
      expect(status).toBe(200);
      const policy = headers.get('content-security-policy') ?? '';
      expect(policy).toContain("default-src 'none'");
      expect(policy).toMatch(/script-src 'sha256-[^']+'/);
      expect(policy).toContain("connect-src 'self'");
      expect(headers.get('referrer-policy')).toBe('no-referrer');
      expect(text).toContain(`/api/auth/${page}`);
    },
  );
});

let shared: Promise<TestUser> | undefined;
async function openUser(): Promise<{ token: string }> {
  shared ??= person();
  return { token: (await shared).tokens.access_token };
}
