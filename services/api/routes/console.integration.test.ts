import { createHash } from 'node:crypto';
import { request } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, onTestFinished, test } from 'vitest';
import { consoleAccess } from '#services/core/oauth/console/console-access.ts';
import { newProofKey } from '#services/core/oauth/console/console-proof.ts';
import {
  type ConsoleSession,
  claimsOf,
  readConsoleSession,
  sessionCookieOf,
  startCookieOf,
} from '#services/core/oauth/console/console-session.ts';
import { finishConsoleSignIn } from '#services/core/oauth/console/console-sign-in.ts';
import { storeUnavailable } from '#services/platform/errors.ts';
import { eventually } from '#tools/testing/eventually.ts';
import { newSignedIn } from '#tools/testing/flows/signed-in.ts';
import { API_URL, openApiHarness } from '#tools/testing/harness/api.ts';
import { testCaller } from '#tools/testing/harness/ports.ts';
import { requestText, send, sendBytes } from '#tools/testing/http-client.ts';
import { opened } from '#tools/testing/opened.ts';
import { outcomeOf } from '#tools/testing/outcome.ts';
import { type ConsoleBrowser, consoleBrowser, cookiesOf } from './console-harness.ts';

const harness = opened(() => openApiHarness());
// DPoP nonces are required here, so the console's own proofs carry one too.
const copy = opened(() => harness.startCopy({ hashes: false, env: { DPOP_REQUIRE_NONCE: 'true' } }));
const other = opened(() => harness.startCopy({ hashes: false, env: { DPOP_REQUIRE_NONCE: 'true' } }));

async function newUser(role = 'admin') {
  const user = await newSignedIn(copy);
  await harness.rows`INSERT INTO user_roles (user_id, role) VALUES (${user.id}, ${role})`;
  return user;
}

/** A browser whose user is signed in at the console. */
async function atConsole(role?: string): Promise<ConsoleBrowser & { readonly userId: string }> {
  const user = await newUser(role);
  const browser = consoleBrowser(copy, user);
  expect(await browser.goTo('/console/sign-in?return=/console/people')).toBe('/console/people');
  return { ...browser, userId: user.id };
}

/** The cookie of this browser with an access token that has expired, as a tab has it that slept for an hour. */
function slept(browser: ConsoleBrowser): string {
  const session = readConsoleSession(copy.ports, sessionPair(browser)) as ConsoleSession;
  const [header, , signature] = session.accessToken.split('.');
  const claims = { ...claimsOf(session), exp: Math.floor(Date.now() / 1_000) + 10 };
  const accessToken = [header, Buffer.from(JSON.stringify(claims)).toString('base64url'), signature].join('.');
  return sessionCookieOf(copy.ports, { ...session, accessToken }, 60).split(';', 1)[0] as string;
}

const sessionPair = ({ cookies }: ConsoleBrowser): string => `sallyport.console=${cookies.get('sallyport.console')}`;

test('the sign-in uses code, PKCE and DPoP; the browser gets one encrypted cookie and no token', async () => {
  const user = await newUser();
  const browser = consoleBrowser(copy, user);
  const begun = await send(copy.url, 'GET', '/console/sign-in?return=https://evil.test', {
    cookie: cookiesOf(browser),
  });
  const location = new URL(begun.headers.get('location') ?? '', API_URL);
  expect(location.pathname).toBe('/oauth2/authorize');
  expect(Object.fromEntries(location.searchParams)).toMatchObject({
    client_id: 'sallyport-console',
    redirect_uri: `${API_URL}/console/callback`,
    response_type: 'code',
    code_challenge_method: 'S256',
    dpop_jkt: expect.stringMatching(/^[\w-]{43}$/),
  });
  expect(await browser.goTo('/console/sign-in')).toBe('/console');
  const session = await browser.ask('GET', '/console/session');
  expect(session.body).toMatchObject({ user_id: user.id, email: user.email, roles: ['admin', 'user'] });
  expect(session.body.permissions).toContain('users:manage');
  // The cookie is random text: `eyJ` alone stands in one of 140.
  expect(session.text + cookiesOf(browser)).not.toMatch(/eyJ[\w-]+\.[\w-]+\.[\w-]+|sp_rt_/);
});

test('no request from outside authenticates as the client of the console', async () => {
  const form = { grant_type: 'refresh_token', refresh_token: 'x' };
  for (const secret of ['', 'x']) {
    const basic = { client_id: 'sallyport-console', client_secret: secret };
    expect((await send(copy.url, 'POST', '/oauth2/token', { basic, form })).status).toBe(401);
  }
  const named = await send(copy.url, 'POST', '/oauth2/token', { form: { ...form, client_id: 'sallyport-console' } });
  expect(named.status).toBe(401);
});

test('an operation answers the console as it answers its user, and errors keep their status, code and headers', async () => {
  const browser = await atConsole();
  const listed = await browser.ask('GET', '/console/api/v1/admin/users?limit=1');
  expect([listed.status, listed.body.users.length]).toEqual([200, 1]);
  expect(listed.headers.get('cache-control')).toBe('no-store');
  const role = { name: 'desk', description: 'The desk', permissions: ['users:read'], reason: 'test' };
  expect((await browser.ask('POST', '/console/api/v1/admin/roles', { json: role })).status).toBe(201);
  const replaced = { permissions: ['keys:read'], reason: 'test' };
  const put = await browser.ask('PUT', '/console/api/v1/admin/roles/desk/permissions', { json: replaced });
  expect([put.status, put.body.permissions]).toEqual([200, ['keys:read']]);
  expect((await browser.ask('DELETE', '/console/api/v1/admin/roles/desk?reason=test')).status).toBe(204);
  const missing = await browser.ask('GET', '/console/api/v1/admin/users/unknown');
  expect([missing.status, missing.body.code]).toEqual([404, 'user_unknown']);
  const invalid = await browser.ask('PATCH', '/console/api/v1/admin/clients/x', { json: { nonsense: 1 } });
  expect(invalid.body.code).toBe('request_invalid');
  const [event] = await harness.rows`SELECT actor_kind, actor_id FROM audit_outbox
    WHERE type = 'role.created' AND target_id = 'desk'`;
  expect(event).toEqual({ actor_kind: 'user', actor_id: browser.userId });
});

test('a user without a permission gets 403 from the API, and the console learns which permissions there are', async () => {
  const browser = await atConsole('auditor');
  const { body } = await browser.ask('GET', '/console/session');
  expect(body.permissions).not.toContain('users:read');
  const refused = await browser.ask('GET', '/console/api/v1/admin/users');
  expect([refused.status, refused.body.code]).toEqual([403, 'permission_missing']);
});

test('a page of another origin, and a request that the script did not send, get nothing (CSRF)', async () => {
  const browser = await atConsole();
  const requests = [
    ['GET', '/console/session'],
    ['GET', '/console/api/v1/admin/users'],
    ['POST', '/console/api/v1/admin/roles'],
    ['POST', '/console/sign-out'],
  ] as const;
  const foreign: readonly Record<string, string>[] = [
    { origin: 'https://evil.test' },
    { 'sec-fetch-site': 'same-site' },
    { 'sec-fetch-site': 'cross-site' },
    { 'sec-fetch-site': 'none' },
    { 'x-sallyport-console': '' },
  ];
  for (const headers of foreign)
    for (const [method, path] of requests) {
      const answer = await browser.ask(method, path, { headers });
      expect([path, answer.status, answer.body.code]).toEqual([path, 403, 'origin_refused']);
    }
  expect((await browser.ask('GET', '/console/session')).status).toBe(200);
  const preflight = await send(copy.url, 'OPTIONS', '/console/session', {
    headers: { origin: 'https://evil.test', 'access-control-request-method': 'GET' },
  });
  expect(preflight.status).toBe(403);
});

test('a browser that closes a stream of events can open the next at once', async () => {
  const browser = await atConsole();
  const openStream = async (signal: AbortSignal): Promise<number> => {
    const headers = { 'x-sallyport-console': '1', cookie: cookiesOf(browser) };
    const answer = await fetch(`${copy.url}/console/api/v1/admin/events`, { headers, signal });
    if (answer.status !== 200) await answer.arrayBuffer();
    return answer.status;
  };
  const leaving = new AbortController();
  const five = await Promise.all(Array.from({ length: 5 }, () => openStream(leaving.signal)));
  expect(five).toEqual([200, 200, 200, 200, 200]);
  expect(await openStream(leaving.signal)).toBe(429);
  leaving.abort();
  const next = new AbortController();
  await eventually('a place for the next', async () => (await openStream(next.signal)) === 200);
  next.abort();
});

test('a long body is read of who is signed in; everyone else is answered before it is sent', async () => {
  const browser = await atConsole();
  const cookie = `Cookie: ${sessionPair(browser)}`;
  expect((await browser.ask('POST', '/console/sign-out')).status).toBe(204);
  for (const method of ['POST', 'PUT', 'PATCH', 'DELETE']) {
    const codeOf = async (...more: string[]) => {
      const head = ['Content-Type: application/json', 'Content-Length: 16000000', cookie, ...more];
      return (await sendBytes(copy.url, requestText(method, '/console/api/v1/admin/imports', head)))?.body.code;
    };
    expect([await codeOf(), await codeOf('X-Sallyport-Console: 1')]).toEqual(['origin_refused', 'unauthenticated']);
  }
  const long = await (await atConsole()).ask('POST', '/console/api/v1/admin/roles', { json: ['x'.repeat(100_000)] });
  expect([long.status, long.body.detail]).toEqual([413, 'At most 65,536 bytes.']);
});

test('the rehearsal of an import ends when the browser that waits for it has left', async () => {
  const browser = await atConsole();
  const leaving = new AbortController();
  const { sql } = copy.ports;
  const { query } = sql;
  let batches = 0;
  const watched = async (...sent: Parameters<typeof query>) => {
    if (sent[0].name === 'importKnownUsersRead') {
      batches += 1;
      leaving.abort();
      // Until the server sees that the connection has closed.
      await sleep(500);
    }
    return query(...sent);
  };
  Object.assign(sql, { query: watched });
  onTestFinished(() => void Object.assign(sql, { query }));
  const path = '/console/api/v1/admin/imports/rehearse';
  const fileOf = (people: number) => ({
    kind: 'ndjson',
    data: Array.from({ length: people }, (_, at) => `{"legacy_id":"l${at}","email":"l${at}@example.com"}`).join('\n'),
  });
  const asked = fetch(copy.url + path, {
    method: 'POST',
    headers: { 'x-sallyport-console': '1', cookie: cookiesOf(browser), 'content-type': 'application/json' },
    body: JSON.stringify(fileOf(2_000)),
    signal: leaving.signal,
  });
  await expect(asked).rejects.toThrow();
  const next = async () => (await browser.ask('POST', path, { json: fileOf(1) })).status === 200;
  await eventually('a place for the next', next);
  expect(batches).toBe(2);
});

test('only paths of the API are reached through the console', async () => {
  const browser = await atConsole();
  for (const path of [
    '/console/api/console/session',
    '/console/api/oauth2/userinfo',
    '/console/api/',
    '/console/api/v2/x',
  ])
    expect((await browser.ask('GET', path)).body.code, path).toBe('route_unknown');
  // As they are sent: `fetch` would resolve the dots itself.
  const cookie = cookiesOf(browser);
  const statusOf = (path: string) =>
    new Promise((resolve, reject) => {
      const headers = { cookie, 'x-sallyport-console': '1', 'sec-fetch-site': 'same-origin' };
      const { hostname, port } = new URL(copy.url);
      request({ hostname, port, path: `/console/api${path}`, headers }, (answer) => {
        answer.resume();
        resolve(answer.statusCode);
      })
        .once('error', reject)
        .end();
    });
  expect(await statusOf('/v1/admin/users?limit=1')).toBe(200);
  for (const path of [
    ...'/v1/../dev/mail /v1/%2e%2e/api/auth/user /v1/.%2e/oauth2/userinfo /v1/%2E./oauth2/userinfo'.split(' '),
    ...'/v1/./admin/users?limit=1 /v1/%2e/admin/users?limit=1 /v1\\..\\dev\\mail /v1/x/..;/../../dev/mail'.split(' '),
  ])
    expect(await statusOf(path), path).toBe(404);
});

test('two copies serve one session, and two tabs that refresh at once both go on', async () => {
  const browser = await atConsole();
  const before = slept(browser);
  const [one, two] = await Promise.all([
    consoleAccess(copy.ports, new Map(), before, testCaller),
    consoleAccess(copy.ports, new Map(), before, testCaller),
  ]);
  expect([one, two].map((access) => access?.setCookie.length)).toEqual([1, 1]);
  expect(one?.session.refreshToken).toBe(two?.session.refreshToken);
  const renewals = new Map();
  const shared = await Promise.all([1, 2, 3].map(() => consoleAccess(copy.ports, renewals, before, testCaller)));
  expect([new Set(shared.map((access) => access?.session.accessToken)).size, renewals.size]).toEqual([1, 0]);
  for (const { url } of [copy, other]) {
    const [cookie] = (one?.setCookie[0] ?? '').split(';', 1);
    const headers = { 'x-sallyport-console': '1' };
    expect((await send(url, 'GET', '/console/api/v1/keys', { cookie: cookie ?? '', headers })).status).toBe(200);
  }
});

test('a session that an administrator ends answers 401 at the console, and its cookie is cleared', async () => {
  const browser = await atConsole();
  const admin = await atConsole();
  const path = `/console/api/v1/admin/users/${browser.userId}/sessions/end`;
  expect((await admin.ask('POST', path, { json: { reason: 'test' } })).status).toBe(200);
  const ended = await browser.ask('GET', '/console/api/v1/keys');
  expect([ended.status, ended.body.code]).toEqual([401, 'unauthenticated']);
  expect(browser.cookies.has('sallyport.console')).toBe(false);
  expect((await browser.ask('GET', '/console/session')).status).toBe(401);
});

test('a store that fails during a refresh is no sign-out', async () => {
  const browser = await atConsole();
  const failing = {
    ...copy.ports,
    hotSql: { query: () => Promise.reject(storeUnavailable()) } as unknown as typeof copy.ports.hotSql,
  };
  expect(await outcomeOf(consoleAccess(failing, new Map(), slept(browser), testCaller))).toBe('store_unavailable');
});

test('the sign-out ends the session of the browser, with the tokens of the console', async () => {
  const browser = await atConsole();
  const pair = sessionPair(browser);
  const left = await browser.ask('POST', '/console/sign-out');
  expect([left.status, browser.cookies.has('sallyport.console')]).toEqual([204, false]);
  const replayed = await send(copy.url, 'GET', '/console/session', {
    cookie: pair,
    headers: { 'x-sallyport-console': '1' },
  });
  expect(replayed.status).toBe(401);
  const families = await harness.rows`SELECT count(*)::int AS live FROM refresh_families
    WHERE user_id = ${browser.userId} AND revoked_at IS NULL`;
  expect(families).toEqual([{ live: 0 }]);
  expect((await browser.ask('POST', '/console/sign-out')).status).toBe(204);
});

test('a step-up asks a signed-in user to sign in again', async () => {
  const browser = await atConsole();
  const shown = await browser.open('/console/sign-in?fresh=1&return=/console/signed-in');
  expect(shown.leftFor).toBeNull();
  expect(shown.text).toMatch(/<input[^>]*type="password"/);
});

test('a response of another sign-in begins again; a refused one, and one that this browser never began, are pages', async () => {
  const user = await newUser();
  const browser = consoleBrowser(copy, user);
  const begin = async (): Promise<URL> => {
    const begun = await browser.ask('GET', '/console/sign-in?return=/console/people');
    return new URL(begun.headers.get('location') ?? '', API_URL);
  };
  const back = (query: Record<string, string>) => browser.ask('GET', `/console/callback?${new URLSearchParams(query)}`);
  await begin();
  for (const query of [{ code: 'x', state: 'of another' }, { code: 'x' }]) {
    await begin();
    const answer = await back(query as Record<string, string>);
    expect(answer.headers.get('location')).toBe('/console/sign-in?return=%2Fconsole%2Fpeople');
  }
  const { searchParams } = await begin();
  const state = searchParams.get('state') ?? '';
  expect((await back({ code: 'x'.repeat(43), state })).headers.get('location')).toMatch(/^\/console\/sign-in/);
  const refusals: readonly Record<string, string>[] = [{ error: 'access_denied' }, {}];
  for (const query of refusals) {
    const again = (await begin()).searchParams.get('state') ?? '';
    const refused = await back({ ...query, state: again });
    expect([refused.status, refused.text]).toEqual([400, expect.stringContaining('cancelled or refused')]);
  }
  const unknown = await send(copy.url, 'GET', '/console/callback?code=x&state=y', { headers: { accept: 'text/html' } });
  expect([unknown.status, unknown.text]).toEqual([400, expect.stringContaining('keeps no cookies')]);
});

test('a sign-in that took longer than an hour, and a store that fails at its end, say so', async () => {
  const start = { state: 's', verifier: 'v'.repeat(43), key: newProofKey(), returnTo: '/console', expiresAtMs: 0 };
  const cookieOf = (members: object) => startCookieOf(copy.ports, { ...start, ...members }, 60).split(';', 1)[0];
  const query = { code: 'x'.repeat(43), state: 's' };
  expect(await finishConsoleSignIn(copy.ports, query, cookieOf({}), testCaller)).toBeNull();
  const failing = { ...copy.ports, transact: () => Promise.reject(storeUnavailable()) };
  const cookie = cookieOf({ expiresAtMs: Number.MAX_SAFE_INTEGER });
  expect(await outcomeOf(finishConsoleSignIn(failing, query, cookie, testCaller))).toBe('store_unavailable');
});

test('the page allows no inline script, one style, no other origin and no markup from strings; its files never change', async () => {
  for (const path of ['/console', '/console/people/x', '/console/any/thing']) {
    const page = await send(copy.url, 'GET', path);
    expect([page.status, page.headers.get('content-type')]).toEqual([200, 'text/html; charset=utf-8']);
    expect(page.headers.get('content-security-policy')).toMatch(
      /^default-src 'none'; script-src 'self'; style-src 'self' 'sha256-[^ ']+'; img-src 'self'; .*require-trusted-types-for 'script'/,
    );
  }
  for (const path of ['/console/', '/console//people', '/console/people/'])
    expect((await send(copy.url, 'GET', path)).status, path).toBe(404);
  const { text, headers } = await send(copy.url, 'GET', '/console');
  const [, style = ''] = /<style>(.*?)<\/style>/s.exec(text) ?? [];
  const hash = createHash('sha256').update(style).digest('base64');
  expect(headers.get('content-security-policy')).toContain(`style-src 'self' 'sha256-${hash}';`);
  expect(text.replace('<style>', '')).not.toMatch(/<script>|<style>| on\w+=|https?:/);
  const files = [...text.matchAll(/(?:src|href)="(\/console\/assets\/[^"]+)"/g)].map(([, path]) => path as string);
  expect(files.length).toBeGreaterThan(1);
  for (const path of files) {
    const file = await send(copy.url, 'GET', path, { headers: { 'accept-encoding': 'identity' } });
    expect([file.status, file.headers.get('cache-control')]).toEqual([200, 'public, max-age=31536000, immutable']);
  }
  for (const path of ['/console/assets/none.js', '/console/assets/..%2Findex.html'])
    expect((await send(copy.url, 'GET', path)).status).toBe(404);
});
