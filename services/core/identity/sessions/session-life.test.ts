import { randomBytes } from 'node:crypto';
import { expect, test } from 'vitest';
import type { Sql } from '#services/core/ports.ts';
import type { Auth } from './auth.ts';
import {
  assertOwnPage,
  clearedCookies,
  cookieValue,
  csrfPasses,
  csrfSetCookie,
  csrfTokenOf,
  type HasCsrf,
} from './csrf.ts';
import { ADDRESS_HEADER, engineHeaders, required } from './handover.ts';
import { readReach } from './manage-sessions.ts';
import { newRecoveryCodes } from './recovery-codes.ts';
import { relyingParty } from './relying-party.ts';
import { lifeOf, usedSession } from './session-life.ts';

const nowMs = Date.parse('2026-11-20T12:00:00Z');
const ago = (seconds: number): Date => new Date(nowMs - seconds * 1_000);
const clock = { now: () => nowMs, monotonic: () => 0 };
const life = { sessionSeconds: 2_592_000, twoFactorSeconds: 86_400, twoFactorIdleSeconds: 3_600 };

/** Answers like Postgres: a row if the session is within the idle limit. */
function postgres(answer: Date | null | Error) {
  const asked: unknown[] = [];
  const sql: Sql = {
    query: async (_statement, values) => {
      asked.push(values);
      if (answer instanceof Error) throw answer;
      return (answer === null ? [] : [{ updatedAt: answer }]) as never[];
    },
  };
  return { sql, asked };
}
const use = (sql: Sql, acr: string, rested: number, settings = life) =>
  usedSession({ sql, clock }, settings, { id: 's', acr, updatedAt: ago(rested) }, true);

test('a two-factor session lives at most a day, a single-factor session as long as configured', () => {
  const expiresAt = new Date(nowMs + 2_592_000_000);
  expect(lifeOf(life, { acr: 'aal1', expiresAt, nowMs })).toBe(expiresAt);
  expect(lifeOf(life, { acr: 'aal2', expiresAt, nowMs })).toEqual(new Date(nowMs + 86_400_000));
  const sooner = new Date(nowMs + 60_000);
  expect(lifeOf(life, { acr: 'aal2', expiresAt: sooner, nowMs })).toEqual(sooner);
});

test('a two-factor session ends after an idle hour; a single-factor session has no idle limit', async () => {
  const over = postgres(null);
  expect(await use(over.sql, 'aal2', 3_700)).toBeNull();
  expect(over.asked).toEqual([['s', 3_600]]);
  const { sql, asked } = postgres(null);
  expect(await use(sql, 'aal1', 86_400)).toEqual(ago(86_400));
  expect(await use(sql, 'aal2', 86_400, { ...life, twoFactorIdleSeconds: 0 })).toEqual(ago(86_400));
  expect(asked).toEqual([]);
});

test('a use is written at most every ten minutes; an outdated cached copy is corrected', async () => {
  const { sql, asked } = postgres(ago(0));
  expect(await use(sql, 'aal2', 599)).toEqual(ago(599));
  expect(asked).toEqual([]);
  expect([await use(sql, 'aal2', 600), await use(sql, 'aal2', 3_700)]).toEqual([ago(0), ago(0)]);
});

test('without Postgres the cached copy decides', async () => {
  const { sql } = postgres(new Error('away'));
  expect(await use(sql, 'aal2', 1_000)).toEqual(ago(1_000));
  expect(await use(sql, 'aal2', 3_600)).toBeNull();
});

const request = { ip: '192.0.2.1', userAgent: 'browser/1', traceId: '', traceparent: '' };

test('Better Auth gets only IP address and user agent of a request, and no address if there is none', () => {
  expect(Object.fromEntries(engineHeaders(request))).toEqual({
    'user-agent': 'browser/1',
    [ADDRESS_HEADER]: '192.0.2.1',
  });
  expect(Object.fromEntries(engineHeaders({ ...request, ip: '' }))).toEqual({ 'user-agent': 'browser/1' });
});

test('the user agent is passed as printable ASCII only, as a header requires', () =>
  expect(engineHeaders({ ...request, userAgent: 'a\r\nb: c\u0000é✓' }).get('user-agent')).toBe('ab: c'));

test('a value that no use-case supplied is an error, never a default', () => {
  for (const nothing of [undefined, null]) expect(() => required(nothing)).toThrow('a required value is missing');
  for (const something of ['', 0, false]) expect(required(something)).toBe(something);
});

/** A database with this many live families of as many sessions; it counts as many as it is asked for. */
const databaseOf = (families: number): Sql =>
  ({
    query: async (_statement: unknown, values: readonly unknown[]) => {
      const logins = Math.min(families, values.at(-1) as number);
      return [{ logins, sessions: logins, applications: 3, users: logins }];
    },
  }) as unknown as Sql;

test('never counts beyond 10,000, and says where there are more', async () => {
  const counted = { logins: 10_000, sessions: 10_000, applications: 3, users: 10_000 };
  expect(await readReach({ sql: databaseOf(10_000) }, {})).toEqual({ ...counted, is_more: false });
  expect(await readReach({ sql: databaseOf(5_000_000) }, {})).toEqual({ ...counted, is_more: true });
});

test('generates ten distinct codes without characters that look alike', () => {
  const codes = newRecoveryCodes({ bytes: randomBytes });
  expect(new Set(codes).size).toBe(10);
  for (const code of codes) expect(code).toMatch(/^[a-km-z2-9A-HJ-NP-Z]{6}-[a-km-z2-9A-HJ-NP-Z]{6}$/);
});

test('makes no character more likely: bytes above the last whole alphabet are skipped', () => {
  let asked = 0;
  const bytes = (count: number): Buffer => Buffer.alloc(count, asked++ === 0 ? 255 : 1);
  expect(newRecoveryCodes({ bytes })[0]).toBe('bbbbbb-bbbbbb');
});

test('the relying party is the host of the API; on a loopback address it is localhost, and pages of localhost are accepted', () => {
  expect(relyingParty('https://auth.example.org')).toEqual({
    rpID: 'auth.example.org',
    origins: ['https://auth.example.org'],
  });
  expect(relyingParty('http://127.0.0.1:3000')).toEqual({
    rpID: 'localhost',
    origins: ['http://127.0.0.1:3000', 'http://localhost:3000'],
  });
  expect(relyingParty('http://[::1]').origins).toEqual(['http://[::1]', 'http://localhost']);
});

const keys = new Map([
  [1, Buffer.alloc(32, 1)],
  [2, Buffer.alloc(32, 2)],
]);
const browser = {
  sessionCookie: 'better-auth.session_token',
  trustedOrigins: new Set(['https://own.test', 'https://listed.test']),
  secureCookies: true,
};
const deps: HasCsrf = {
  auth: { browser } as unknown as Auth,
  keyRing: {
    secret: () => ({ version: 2, key: keys.get(2) as Buffer }),
    secretVersion: (_, version) => keys.get(version),
  },
};
const cookie = 'a=b; better-auth.session_token=token.sig%3D; c=d';
const token = csrfTokenOf(deps.keyRing, 'token.sig=');

test('accepts our and listed origins; rejects every other, null and look-alikes, with any token', () => {
  for (const origin of ['https://own.test', 'https://listed.test'])
    expect(csrfPasses(deps, { origin, cookie })).toBe(true);
  for (const origin of [
    'null',
    '',
    'http://own.test',
    'https://own.test.evil.test',
    'https://own.test/',
    'HTTPS://OWN.TEST',
  ])
    expect(csrfPasses(deps, { origin, cookie, 'x-csrf-token': token })).toBe(false);
});

test('without Origin, requires the CSRF token of the same session', () => {
  expect(csrfPasses(deps, { cookie, 'x-csrf-token': token })).toBe(true);
  for (const wrong of [
    undefined,
    '',
    token.slice(0, -1),
    `${token}A`,
    csrfTokenOf(deps.keyRing, 'other.sig='),
    `3.${token.slice(2)}`,
    `1.${token.slice(2)}`,
  ])
    expect(csrfPasses(deps, { cookie, 'x-csrf-token': wrong })).toBe(false);
  expect(csrfPasses(deps, { 'x-csrf-token': token })).toBe(false);
  expect(csrfPasses(deps, { cookie, 'x-csrf-token': [token, token] })).toBe(false);
});

test('accepts a token of the previous key version', () => {
  const older = {
    secret: () => ({ version: 1, key: keys.get(1) as Buffer }),
    secretVersion: deps.keyRing.secretVersion,
  };
  expect(csrfPasses(deps, { cookie, 'x-csrf-token': csrfTokenOf(older, 'token.sig=') })).toBe(true);
});

test('accepts a sign-in without Origin, and rejects one from another site’s page', () => {
  expect(() => assertOwnPage(deps, {})).not.toThrow();
  expect(() => assertOwnPage(deps, { origin: 'https://own.test' })).not.toThrow();
  expect(() => assertOwnPage(deps, { origin: 'null' })).toThrow('origin_refused');
});

test('the double-submit cookie is valid only with the session cookie set in the same response', () => {
  const line = csrfSetCookie(deps, 'better-auth.session_token=token.sig%3D; Path=/; HttpOnly', 60);
  expect(line).toBe(`__Host-sallyport.csrf=${token}; Path=/; Max-Age=60; SameSite=Lax; Secure`);
  const ofNone = csrfSetCookie(deps, 'another=token.sig%3D; Path=/', 60);
  expect(ofNone).not.toContain(token);
  const sent = ofNone.split(';')[0]?.split('=')[1] ?? '';
  expect(csrfPasses(deps, { cookie, 'x-csrf-token': sent })).toBe(false);
});

test('reads the first cookie with exactly this name, whatever else the header contains', () => {
  expect(cookieValue(cookie, 'better-auth.session_token')).toBe('token.sig=');
  expect(cookieValue('x=1;x=2', 'x')).toBe('1');
  expect(cookieValue('xx=1; =; ;;x', 'x')).toBeUndefined();
  expect(cookieValue('x=%', 'x')).toBe('%');
  expect(cookieValue(undefined, 'x')).toBeUndefined();
});

test('signing out clears both cookies with the attributes with which they were set', () => {
  expect(clearedCookies(deps)).toEqual([
    'better-auth.session_token=; HttpOnly; Path=/; Max-Age=0; SameSite=Lax; Secure',
    '__Host-sallyport.csrf=; Path=/; Max-Age=0; SameSite=Lax; Secure',
  ]);
  const plain = { auth: { browser: { ...browser, secureCookies: false } } as unknown as Auth };
  expect(clearedCookies(plain)[1]).toBe('sallyport.csrf=; Path=/; Max-Age=0; SameSite=Lax');
  expect(csrfSetCookie({ ...deps, ...plain }, 'a=b', 60)).toMatch(/^sallyport\.csrf=.*SameSite=Lax$/);
});
