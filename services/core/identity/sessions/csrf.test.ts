import { expect, test } from 'vitest';
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
