import { randomBytes } from 'node:crypto';
import { expect, test } from 'vitest';
import type { HasAuth } from '#services/core/identity/sessions/auth.ts';
import { createVault } from '#services/platform/crypto/vault.ts';
import { consoleUser } from './console-access.ts';
import { consoleClient } from './console-client.ts';
import { newProofKey } from './console-proof.ts';
import {
  clearedConsoleCookie,
  clearedStartCookie,
  readConsoleSession,
  readConsoleStart,
  sessionCookieOf,
  startCookieOf,
} from './console-session.ts';
import { consolePlace } from './console-sign-in.ts';

const sealing = (secureCookies = true, key = randomBytes(32)) => ({
  vault: createVault(key),
  auth: { browser: { secureCookies } } as HasAuth['auth'],
});

const tokenWith = (claims: object): string =>
  `${[{ alg: 'RS256', typ: 'at+jwt' }, claims]
    .map((part) => Buffer.from(JSON.stringify(part)).toString('base64url'))
    .join('.')}.${randomBytes(256).toString('base64url')}`;

const sessionWith = (claims: object) => ({
  accessToken: tokenWith(claims),
  refreshToken: `sp_rt_1.${'f'.repeat(36)}.3.${'n'.repeat(43)}.${'m'.repeat(43)}`,
  key: newProofKey(),
});

const pairOf = (line: string): string => line.split(';', 1)[0] as string;

test('a session survives its cookie byte for byte, and fits into one with every permission of a large installation', () => {
  const ports = sealing();
  const permissions = Array.from({ length: 60 }, (_, at) => `resource_number_${at}:manage`);
  const session = sessionWith({
    sub: 'u-1',
    email: `${'ä'.repeat(60)}@example.test`,
    scope: permissions.join(' '),
    permissions,
  });
  const line = sessionCookieOf(ports, session, 60);
  expect(line.length).toBeLessThan(4_096);
  expect(readConsoleSession(ports, `other=1; ${pairOf(line)}`)).toEqual(session);
});

test('the cookie is __Host-, HttpOnly and Strict; that of a sign-in under way is Lax, because another site may lead back', () => {
  const ports = sealing();
  const attributes = (line: string) => line.split('; ').slice(1);
  expect(sessionCookieOf(ports, sessionWith({}), 60)).toMatch(/^__Host-sallyport\.console=/);
  expect(attributes(sessionCookieOf(ports, sessionWith({}), 60))).toEqual([
    'Path=/',
    'Max-Age=60',
    'HttpOnly',
    'SameSite=Strict',
    'Secure',
  ]);
  expect(attributes(clearedConsoleCookie(sealing(false)))).toEqual([
    'Path=/',
    'Max-Age=0',
    'HttpOnly',
    'SameSite=Strict',
  ]);
  expect(clearedStartCookie(ports)).toMatch(/^__Host-sallyport\.console_start=;.*SameSite=Lax/);
});

test('a cookie of another installation, of another purpose, or changed by one byte opens nothing', () => {
  const ports = sealing();
  const pair = pairOf(sessionCookieOf(ports, sessionWith({ sub: 'u-1' }), 60));
  expect(readConsoleSession(sealing(), pair)).toBeUndefined();
  expect(readConsoleStart(ports, pair.replace('console=', 'console_start='))).toBeUndefined();
  const at = pair.length - 10;
  const changed = `${pair.slice(0, at)}${pair[at] === 'A' ? 'B' : 'A'}${pair.slice(at + 1)}`;
  expect(readConsoleSession(ports, changed)).toBeUndefined();
  expect(readConsoleSession(ports, undefined)).toBeUndefined();
});

test('a sign-in under way survives its cookie', () => {
  const ports = sealing();
  const start = { state: 's', verifier: 'v', key: newProofKey(), returnTo: '/console', expiresAtMs: 1 };
  expect(readConsoleStart(ports, pairOf(startCookieOf(ports, start, 60)))).toEqual(start);
});

test('the sign-in returns to pages of the console, and to nothing else', () => {
  for (const place of ['/console', '/console/people/u-1?q=a%20b', '/console/signed-in'])
    expect(consolePlace(place)).toBe(place);
  for (const elsewhere of [
    undefined,
    '',
    'https://evil.test/console',
    '//evil.test/console',
    '/console//evil.test',
    '/console/../login',
    // A browser takes these for dots (WHATWG URL §3.1).
    ...'/console/people/%2e%2e/%2E./oauth2/authorize?client_id=x /console\\evil /consoles'.split(' '),
    ...'/console/api/v1/users /console/callback?code=x /console/sign-in /console/people#x /console/'.split(' '),
    ...'/console/People /console/callback;x'.split(' '),
    `/console/${'x'.repeat(1_024)}`,
  ])
    expect(consolePlace(elsewhere), elsewhere).toBe('/console');
});

test('a token says who is signed in; what it does not say is empty', () => {
  expect(consoleUser(sessionWith({ sub: 'u-1' }))).toEqual({
    user_id: 'u-1',
    email: null,
    session_id: null,
    roles: [],
    permissions: [],
    auth_time: 0,
    has_two_factors: false,
  });
  const claims = { sub: 'u', email: 'a@b.test', sid: 's', roles: ['x'], permissions: ['y'], auth_time: 3, acr: 'aal2' };
  expect(consoleUser(sessionWith(claims))).toMatchObject({ email: 'a@b.test', session_id: 's', has_two_factors: true });
});

test('a copy that does not know the client of the console yet says so', () => {
  const access = { client: () => undefined } as unknown as Parameters<typeof consoleClient>[0]['access'];
  expect(() => consoleClient({ access })).toThrow(expect.objectContaining({ code: 'directory_stale' }));
});
