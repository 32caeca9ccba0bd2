import { describe, expect, test } from 'vitest';
import { newEmail, newPassword, patiently, refresh, signIn, signUp, verdictOn } from '#tools/testing/flows/flows.ts';
import { sessionTokenOf } from '#tools/testing/flows/identity-flows.ts';
import { queryRows } from '#tools/testing/harness/ports.ts';
import { type ProductHarness, startProductHarness } from '#tools/testing/harness/product.ts';
import { cookieOf, expectProblem, type Received, type Sent } from '#tools/testing/http-client.ts';
import { opened, partOf } from '#tools/testing/opened.ts';

const harness = opened(() => startProductHarness({ CORS_ORIGINS: 'https://app.example.test' }));
const product = partOf(() => harness.product);
/** One account that the tests may share. */
const known = opened(() => signUp(product));

const call: ProductHarness['call'] = (method, path, sent) => harness.call(method, path, sent);
const post = (path: string, json: unknown, sent: Sent = {}): Promise<Received> =>
  patiently(() => call('POST', path, { json, ...sent }));

/** The members in which two answers to the same request may differ. */
const shapeOf = ({ status, headers, body }: Received): unknown => ({
  status,
  headers: [...headers.keys()].filter((name) => name !== 'date').sort(),
  body: JSON.parse(JSON.stringify(body, (name, value) => (name === 'trace_id' ? '' : value))),
});
const membersOf = (value: unknown): unknown =>
  typeof value === 'object' && value !== null
    ? Object.fromEntries(Object.entries(value).map(([name, inner]) => [name, membersOf(inner)]))
    : typeof value;

const NAMES = {
  signUp: ['/api/auth/signup', '/api/auth/sign-up/email'],
  signIn: ['/api/auth/signin', '/api/auth/sign-in/email'],
  signOut: ['/api/auth/signout', '/api/auth/sign-out'],
  session: ['/api/auth/session', '/api/auth/get-session'],
} as const;

describe('signing up', () => {
  test('201 with user, session and tokens, and a signed session cookie; the session token is only in the cookie', async () => {
    for (const path of NAMES.signUp) {
      const email = newEmail();
      const answer = await post(path, { email, password: newPassword(), name: 'Ada' });
      expect(answer.status).toBe(201);
      expect(Object.keys(answer.body)).toEqual(expect.arrayContaining(['session', 'tokens', 'user']));
      expect(answer.body.user).toMatchObject({ email, name: 'Ada', emailVerified: false });
      expect(answer.body.session.userId).toBe(answer.body.user.id);
      expect([undefined, answer.body.session.id]).toContain(answer.body.session.token);
      expect(answer.text).not.toContain(sessionTokenOf(cookieOf(answer)));
      expect(Object.keys(answer.body.tokens).sort()).toEqual(
        ['access_token', 'expires_in', 'refresh_expires_in', 'refresh_token', 'scope', 'token_type'].sort(),
      );
      expect(answer.body.tokens).toMatchObject({ token_type: 'Bearer', expires_in: 900, refresh_expires_in: 604_800 });
      expect(answer.text).not.toContain('correct horse');
      const session = answer.headers.getSetCookie().find((line) => line.startsWith('better-auth.session_token='))!;
      for (const part of [/HttpOnly/i, /SameSite=Lax/i, /Path=\//i]) expect(session).toMatch(part);
      // Only development has cookies without Secure.
      expect(session).not.toMatch(/Secure/i);
      expect(await verdictOn(product, answer.body.tokens.access_token)).toBe('active');
    }
  });

  test('the extra members that Better Auth’s own clients send are accepted, and no return address elsewhere', async () => {
    const person = { email: newEmail(), password: newPassword() };
    const besides = { rememberMe: false, callbackURL: '/welcome' };
    const elsewhere = { ...besides, callbackURL: 'https://evil.example/' };
    const made = await post(NAMES.signUp[1], {
      ...person,
      ...besides,
      name: 'Ada',
      image: 'https://evil.example/x.png',
    });
    expect([made.status, made.body.user?.image]).toEqual([201, null]);
    const entered = await post(NAMES.signIn[1], { ...person, ...besides });
    expect([entered.status, entered.body.redirect, entered.body.url]).toEqual([200, true, '/welcome']);
    expectProblem(await post(NAMES.signUp[1], { ...person, ...elsewhere }), 400, 'callback_refused');
    expectProblem(await post(NAMES.signIn[1], { ...person, ...elsewhere }), 400, 'callback_refused');
    const path = `${NAMES.session[1]}?disableCookieCache=true&disableRefresh=true`;
    expect((await call('GET', path, { cookie: cookieOf(entered) })).status).toBe(200);
    for (const [ours, json] of [
      [NAMES.signUp[0], { email: newEmail(), password: newPassword(), ...besides }],
      [NAMES.signIn[0], { ...person, ...besides }],
    ] as const)
      expectProblem(await post(ours, json), 400, 'request_invalid');
  });

  test('a registered address is 409 in any spelling, and nothing changes', async () => {
    const [local, domain] = known.email.split('@');
    for (const path of NAMES.signUp)
      for (const email of [known.email, `${local?.toUpperCase()}@${domain}`])
        expectProblem(await post(path, { email, password: newPassword() }), 409, 'email_taken');
    expect((await signIn(product, known)).id).toBe(known.id);
  });

  test('of parallel sign-ups with one address one succeeds and the others are 409', async () => {
    const email = newEmail();
    const answers = await Promise.all(
      Array.from({ length: 4 }, () => post(NAMES.signUp[0], { email, password: newPassword() })),
    );
    expect(answers.map(({ status }) => status).sort()).toEqual([201, 409, 409, 409]);
    const rows = await queryRows(harness.databaseUrl)`SELECT id FROM users WHERE email = ${email}`;
    expect(rows).toHaveLength(1);
  });

  test('a password that is too short or too long is 400 with the reason as its code', async () => {
    const short = await post(NAMES.signUp[0], { email: newEmail(), password: 'elevenchars' });
    expectProblem(short, 400, 'password_too_short');
    const long = await post(NAMES.signUp[0], { email: newEmail(), password: 'a'.repeat(257) });
    expectProblem(long, 400, 'password_too_long');
    // 256 characters of four bytes each: both limits at once.
    expect((await post(NAMES.signUp[0], { email: newEmail(), password: '😀'.repeat(256) })).status).toBe(201);
  });

  test('a sign-up cannot set members that only the server may set', async () => {
    for (const extra of [
      { role: 'admin' },
      { roles: ['admin'] },
      { emailVerified: true },
      { tenantId: 'x' },
      { id: 'sallyport-demo' },
      { tokenEpoch: 9 },
      { callbackURL: 'https://evil.example' },
      { image: 'https://evil.example/x.png' },
    ]) {
      const email = newEmail();
      const answer = await post(NAMES.signUp[0], { email, password: newPassword(), ...extra });
      expectProblem(answer, 400, 'request_invalid');
      expect(await queryRows(harness.databaseUrl)`SELECT id FROM users WHERE email = ${email}`).toEqual([]);
    }
  });

  test('passwords are not truncated: two that share 72 bytes differ, and 64 or more characters are accepted', async () => {
    const start = 'The first seventy-two bytes of both of these pass phrases are the same: ';
    expect(start.length).toBe(72);
    const user = await signUp(product, newEmail(), `${start}one`);
    await signIn(product, user);
    expectProblem(await post(NAMES.signIn[0], { email: user.email, password: `${start}two` }), 401, 'login_refused');
    expectProblem(await post(NAMES.signIn[0], { email: user.email, password: start }), 401, 'login_refused');
  });
});

describe('signing in', () => {
  test('200 with the same members as signing up, under both names, and a new session each time', async () => {
    const ids = new Set([known.sessionId]);
    for (const path of NAMES.signIn) {
      const answer = await post(path, { email: known.email, password: known.password });
      expect(answer.status).toBe(200);
      expect(answer.body.user.id).toBe(known.id);
      ids.add(answer.body.session.id);
      expect(membersOf(answer.body.tokens)).toEqual(membersOf(known.tokens));
      expect(cookieOf(answer)).toContain('better-auth.session_token=');
    }
    expect(ids.size).toBe(3);
  });

  test('a wrong password and an unknown account get the same status, body and headers', async () => {
    for (const path of NAMES.signIn) {
      const wrong = await post(path, { email: known.email, password: 'not the right password' });
      const unknown = await post(path, { email: newEmail(), password: 'not the right password' });
      expectProblem(wrong, 401, 'login_refused');
      expect(shapeOf(unknown)).toEqual(shapeOf(wrong));
    }
  });

  test('signing in again replaces the cookie that the browser had: no session fixation', async () => {
    const before = await signIn(product, known);
    const answer = await post(
      NAMES.signIn[0],
      { email: known.email, password: known.password },
      { cookie: before.cookie },
    );
    expect(answer.status).toBe(200);
    expect(answer.body.session.id).toBe(before.sessionId);
    expect((await call('GET', NAMES.session[0], { cookie: before.cookie })).status).toBe(401);
    expectProblem(await refresh(product, before.tokens.refresh_token), 401, 'session_ended');
    expect((await call('GET', NAMES.session[0], { cookie: cookieOf(answer) })).status).toBe(200);
  });

  test('a page of an unlisted or null origin cannot sign a user in; the API’s own and listed origins can', async () => {
    const login = { email: known.email, password: known.password };
    for (const path of [NAMES.signIn[0], NAMES.signUp[0]])
      for (const origin of [
        'https://evil.example',
        'null',
        `${product.api}.evil.example`,
        product.api.replace('http:', 'https:'),
      ])
        expectProblem(await post(path, login, { headers: { origin } }), 403, 'origin_refused');
    for (const origin of [product.api, 'https://app.example.test'])
      expect((await post(NAMES.signIn[0], login, { headers: { origin } })).status).toBe(200);
  });
});

describe('a session', () => {
  test('returns user and session under both names', async () => {
    const [ours, theirs] = await Promise.all(NAMES.session.map((path) => call('GET', path, { cookie: known.cookie })));
    expect([ours!.status, Object.keys(ours!.body).sort()]).toEqual([200, ['session', 'user']]);
    expect(ours!.body).toMatchObject({ user: { id: known.id }, session: { id: known.sessionId, userId: known.id } });
    expect(theirs!.status).toBe(200);
    expect(theirs!.body).toMatchObject(ours!.body);
  });

  test('only the signed cookie is accepted: none, an unsigned, another user’s or a changed one is 401, and null under Better Auth’s name', async () => {
    const [name, value] = known.cookie.split(';')[0]!.split('=') as [string, string];
    const [token = ''] = decodeURIComponent(value).split('.');
    const signature = decodeURIComponent(value).slice(token.length);
    for (const cookie of [
      undefined,
      `${name}=`,
      `${name}=${token}`,
      `${name}=${token}.`,
      `${name}=${encodeURIComponent(`${token}.${Buffer.alloc(32).toString('base64')}`)}`,
      `${name}=${encodeURIComponent(`${token.startsWith('x') ? 'y' : 'x'}${token.slice(1)}${signature}`)}`,
      `__Secure-${name}=${value}`,
      `session=${value}`,
      `${name}=%E0%A4%A`,
    ]) {
      const sent = cookie === undefined ? {} : { cookie };
      const answer = await call('GET', NAMES.session[0], sent);
      expect([cookie, answer.status, answer.body.code]).toEqual([cookie, 401, 'unauthenticated']);
      expect(answer.headers.get('www-authenticate')).toMatch(/^Bearer realm="sallyport"(?!.*error=)/);
      const theirs = await call('GET', NAMES.session[1], sent);
      expect([cookie, theirs.status, theirs.body]).toEqual([cookie, 200, null]);
    }
    expect((await call('GET', NAMES.session[0], { bearer: token })).status).toBe(401);
  });
});

describe('signing out', () => {
  test('200, and session, access token and refresh token are revoked, under both names', async () => {
    for (const path of NAMES.signOut) {
      const user = await signIn(product, known);
      const answer = await call('POST', path, { cookie: user.cookie, headers: { origin: product.api } });
      expect([answer.status, answer.body]).toEqual([200, { success: true }]);
      expect(answer.headers.getSetCookie().every((line) => /Max-Age=0/.test(line))).toBe(true);
      expect((await call('GET', NAMES.session[0], { cookie: user.cookie })).status).toBe(401);
      expect(await verdictOn(product, user.tokens.access_token)).toBe('session_ended');
      expectProblem(await refresh(product, user.tokens.refresh_token), 401, 'session_ended');
      const again = await call('POST', path, { cookie: user.cookie, headers: { origin: product.api } });
      // Better Auth's client expects that signing out without a session succeeds.
      if (path === NAMES.signOut[0]) expectProblem(again, 401, 'unauthenticated');
      else expect([again.status, again.body]).toEqual([200, { success: true }]);
    }
  });

  test('passes with the API’s own or a listed Origin, or with the double-submit token where no Origin came; else 403 and the session stays', async () => {
    const user = await signIn(product, known);
    const csrf = /sallyport\.csrf=([^;]+)/.exec(user.cookie)![1]!;
    const other = await signIn(product, known);
    const otherCsrf = /sallyport\.csrf=([^;]+)/.exec(other.cookie)![1]!;
    const refused: Record<string, string>[] = [
      {},
      { origin: 'https://evil.example' },
      { origin: 'null' },
      { origin: 'https://evil.example', 'x-csrf-token': csrf },
      { 'x-csrf-token': otherCsrf },
      { 'x-csrf-token': '' },
      { 'x-csrf-token': `${csrf}x` },
    ];
    for (const headers of refused) {
      const answer = await call('POST', NAMES.signOut[0], { cookie: user.cookie, headers });
      expect([headers, answer.status, answer.body.code]).toEqual([headers, 403, 'origin_refused']);
    }
    expect((await call('GET', NAMES.session[0], { cookie: user.cookie })).status).toBe(200);
    const passed = await call('POST', NAMES.signOut[0], { cookie: user.cookie, headers: { 'x-csrf-token': csrf } });
    expect(passed.status).toBe(200);
    const listed = await call('POST', NAMES.signOut[0], {
      cookie: other.cookie,
      headers: { origin: 'https://app.example.test' },
    });
    expect(listed.status).toBe(200);
  });

  test('ending one session leaves the user’s other sessions untouched', async () => {
    const [one, two] = [await signIn(product, known), await signIn(product, known)];
    await call('POST', NAMES.signOut[0], { cookie: one.cookie, headers: { origin: product.api } });
    expect(await verdictOn(product, two.tokens.access_token)).toBe('active');
    expect((await call('GET', NAMES.session[0], { cookie: two.cookie })).status).toBe(200);
    expect((await refresh(product, two.tokens.refresh_token)).status).toBe(200);
  });
});

describe('each authentication attempt, successful or failed, is one audit event', () => {
  const events = async (traceId: string): Promise<{ type: string; outcome: string }[]> =>
    queryRows(harness.databaseUrl)`SELECT type, outcome FROM audit_outbox
      WHERE traceparent LIKE ${`00-${traceId}-%`} ORDER BY id`;
  const traced = (digit: string) => {
    const traceId = digit.repeat(32);
    return { traceId, headers: { traceparent: `00-${traceId}-00f067aa0ba902b7-00` } };
  };

  test('sign-in, refused sign-in for known and unknown accounts, and sign-out', async () => {
    const ok = traced('1');
    const answer = await post(
      NAMES.signIn[0],
      { email: known.email, password: known.password },
      { headers: ok.headers },
    );
    expect((await events(ok.traceId)).filter(({ type }) => type === 'user.login')).toEqual([
      { type: 'user.login', outcome: 'ok' },
    ]);
    for (const [digit, email] of [
      ['2', known.email],
      ['3', newEmail()],
    ] as const) {
      const { traceId, headers } = traced(digit);
      await post(NAMES.signIn[0], { email, password: 'not the right password' }, { headers });
      expect(await events(traceId)).toEqual([{ type: 'user.login', outcome: 'refused' }]);
    }
    const end = traced('4');
    await call('POST', NAMES.signOut[0], {
      cookie: cookieOf(answer),
      headers: { ...end.headers, origin: product.api },
    });
    expect((await events(end.traceId)).filter(({ type }) => type === 'session.ended')).toHaveLength(1);
  });
});
