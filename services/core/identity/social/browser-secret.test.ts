import { randomBytes } from 'node:crypto';
import { expect, test } from 'vitest';
import { browserSecretCookie, browserSecretFor, browserSecretIn, hashOf, isBrowser } from './browser-secret.ts';

const own = randomBytes(32).toString('base64url');
const random = { bytes: randomBytes };
const auth = (secureCookies: boolean) => ({
  browser: { sessionCookie: 'session', trustedOrigins: new Set<string>(), secureCookies },
});

test('outside of development the secret of a browser is bound to its host and never sent in clear', () => {
  const [secure, plain] = [browserSecretCookie(auth(true), own), browserSecretCookie(auth(false), own)];
  expect(secure).toBe(`__Host-sallyport.social=${own}; Path=/; Max-Age=600; HttpOnly; SameSite=Lax; Secure`);
  expect(plain).toBe(`sallyport.social=${own}; Path=/; Max-Age=600; HttpOnly; SameSite=Lax`);
  expect(browserSecretIn(auth(true), secure.split(';', 1)[0])).toBe(own);
  // A cookie without the prefix may have been set by another host of the same domain.
  expect(browserSecretIn(auth(true), plain.split(';', 1)[0])).toBeNull();
});

test('tabs of a browser share its secret; a malformed secret is replaced', () => {
  const ports = { auth: auth(false), random };
  expect(browserSecretFor(ports, `sallyport.social=${own}`)).toBe(own);
  for (const cookie of [undefined, 'other=1', 'sallyport.social=', `sallyport.social=${own}x`]) {
    const made = browserSecretFor(ports, cookie);
    expect(made).toMatch(/^[\w-]{43}$/);
    expect(made).not.toBe(own);
    expect(isBrowser(made, hashOf('browser', own))).toBe(false);
  }
  expect(isBrowser(own, hashOf('browser', own))).toBe(true);
});
