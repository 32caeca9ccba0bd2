import { expect, test } from 'vitest';
import { assertRedirectUris, isRedirectUri, isSafeRedirectUri } from './redirect-uri.ts';

test('accepts redirect URIs with https, on a loopback address, or with a private-use scheme', () => {
  for (const good of [
    'https://app.example/callback?tenant=1',
    'http://127.0.0.1/callback',
    'http://localhost:8080/cb',
    'http://[::1]:3000/',
    'com.example.app:/callback',
  ])
    expect(isRedirectUri(good), good).toBe(true);
});

test('refuses scripts, http to another machine, fragments, wildcards and user parts (CVE-2026-67333, Better Auth: a client could register a script as its redirect address)', () => {
  const bad = [
    ...'javascript:alert(1) JAVASCRIPT:alert(1) data:text/html,x file:///etc/passwd app:/callback'.split(' '),
    ...'http://app.example/callback http://127.0.0.1.evil.test/ https://app.example/#x'.split(' '),
    ...'https://*.app.example/ https://user@app.example/ https://app.example\\@evil.test/'.split(' '),
    // Not in the normal form that a browser sends: they would be registered and never match.
    ...'HTTPS://app.example/ COM.example.app:/callback https://app.example/ä https://bücher.example/'.split(' '),
    ...'https://app.example/\u007f https:app.example/'.split(' '),
    `https://app.example/${'x'.repeat(2_048)}`,
    '//app.example/',
    '/callback',
    '',
  ];
  for (const uri of bad) expect(isRedirectUri(uri), uri).toBe(false);
  expect(() => assertRedirectUris(['https://app.example/', 'javascript:x'])).toThrow(
    expect.objectContaining({
      code: 'redirect_uri_refused',
      options: expect.objectContaining({ problems: [{ at: 'body/redirect_uris/1', why: 'not acceptable' }] }),
    }),
  );
  expect(() => assertRedirectUris(['https://app.example/'])).not.toThrow();
});

test('never redirects a browser to a URI that runs code, carries a password or is too long', () => {
  for (const uri of [
    ...'data:text/html,x vbscript:x file:/etc/passwd https://a:b@c.test/ https:// https:a.test/'.split(' '),
    'https://a b.test',
    // In a form-action policy each would be read as another source or directive.
    'https://a.test;script-src',
    'https://a.test,b.test/',
    'https://a.test%3Bb/',
    'com.example.app://a;b/',
    `https://a.test/${'x'.repeat(2_048)}`,
  ])
    expect(isSafeRedirectUri(uri), uri).toBe(false);
  expect(isSafeRedirectUri('https://a.test/x;y,z?y=%20')).toBe(true);
});
