import { expect, test } from 'vitest';
import { assertRedirectUris, isRedirectUri, isSafeRedirectUri } from './redirect-uri.ts';

test('redirect addresses are https, loopback, or an app’s own scheme', () => {
  for (const good of [
    'https://app.example/callback?tenant=1',
    'http://127.0.0.1/callback',
    'http://localhost:8080/cb',
    'http://[::1]:3000/',
    'com.example.app:/callback',
  ])
    expect(isRedirectUri(good), good).toBe(true);
});

test('no scripts, no other machine in clear, no fragments, wildcards or user parts (CVE-2026-67333)', () => {
  const bad = [
    'javascript:alert(1)',
    'JAVASCRIPT:alert(1)',
    'data:text/html,x',
    'file:///etc/passwd',
    'app:/callback',
    'http://app.example/callback',
    'http://127.0.0.1.evil.test/',
    'https://app.example/#x',
    'https://*.app.example/',
    'https://user@app.example/',
    'https://app.example\\@evil.test/',
    // Of one form with what a browser sends back: these would be registered and never matched.
    'HTTPS://app.example/',
    'COM.example.app:/callback',
    'https://app.example/ä',
    'https://bücher.example/',
    'https://app.example/\u007f',
    'https:app.example/',
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

test('nothing that runs, carries a password or is endless is an address to send a browser to', () => {
  for (const uri of [
    'data:text/html,x',
    'vbscript:x',
    'file:/etc/passwd',
    'https://a:b@c.test/',
    'https://',
    'https:a.test/',
    'https://a b.test',
    // Each would be a source or a directive of its own in the policy of a form.
    'https://a.test;script-src',
    'https://a.test,b.test/',
    'https://a.test%3Bb/',
    'com.example.app://a;b/',
    `https://a.test/${'x'.repeat(2_048)}`,
  ])
    expect(isSafeRedirectUri(uri), uri).toBe(false);
  expect(isSafeRedirectUri('https://a.test/x;y,z?y=%20')).toBe(true);
});
