import { describe, expect, test } from 'vitest';
import { isRedirectUri } from '#services/core/access/redirect-uri.ts';
import { formActionSource, isClaimedRedirectUri, matchesRedirectUri, redirectWith } from './match-redirect-uri.ts';

const registered = [
  'https://app.example.test/cb',
  'http://127.0.0.1/cb',
  'http://[::1]:8080/cb',
  'com.example.app:/cb',
  'javascript:alert(1)',
];

describe('redirect_uri is compared character by character', () => {
  test.each(['https://app.example.test/cb', 'com.example.app:/cb'])('%s matches', (uri) => {
    expect(matchesRedirectUri(registered, uri)).toBe(true);
  });

  test.each([
    ...'https://app.example.test/cb/ https://app.example.test/CB https://APP.example.test/cb'.split(' '),
    ...'https://app.example.test:443/cb https://app.example.test/c%62 https://app.example.test/cb?x=1'.split(' '),
    ...'https://app.example.test/cb#x https://user@app.example.test/cb https://app.example.test/'.split(' '),
    ...'https://app.example.test https://app.example.test.evil.test/cb'.split(' '),
    ...'https://app.example.test\\@evil.test/cb http://app.example.test/cb javascript:alert(1)'.split(' '),
    ...'com.example.app:/cb2 /cb'.split(' '),
    '',
  ])(
    'a registered address has no other spelling: %s (CVE-2024-52289, authentik: registered addresses were regular expressions)',
    (uri) => expect(matchesRedirectUri(registered, uri)).toBe(false),
  );

  test.each(['http://127.0.0.1:1/cb', 'http://127.0.0.1:65535/cb', 'http://[::1]/cb', 'http://[::1]:1/cb'])(
    '%s matches: the port of a loopback address may vary (RFC 8252 §7.3)',
    (uri) => expect(matchesRedirectUri(registered, uri)).toBe(true),
  );

  test.each(
    `http://127.0.0.1:1/other http://127.0.0.1:1.evil.test/cb http://127.0.0.1.evil.test/cb
    http://127.0.0.1:80@evil.test/cb http://127.0.0.2:1/cb http://localhost:1/cb https://127.0.0.1:1/cb`.split(/\s+/),
  )(
    'nothing but the port of a loopback address may vary: %s (CVE-2024-8883, Keycloak: what followed a loopback address was not compared)',
    (uri) => expect(matchesRedirectUri(registered, uri)).toBe(false),
  );
});

test('every URI that can be registered matches itself, so no registered client is always refused', () => {
  const schemes = ['https://', 'http://', 'com.example.app:/', 'HTTPS://', 'Com.Example.App:/', 'https:'];
  const hosts = [...'app.example.test APP.test 127.0.0.1:8080 127.1 [::1] localhost bücher.test u@a.test'.split(' ')];
  const paths = ['', '/', '/cb?x=1', '/ÄÖ', '/a b', '/%c3%a4', '/#x', '/\\x', '/*', '/\u007f'];
  const uris = schemes.flatMap((scheme) => hosts.flatMap((host) => paths.map((path) => `${scheme}${host}${path}`)));
  const registrable = uris.filter(isRedirectUri);
  expect(registrable.length).toBeGreaterThan(50);
  expect(registrable.filter((uri) => !matchesRedirectUri([uri], uri))).toEqual([]);
});

test('only for an https URI is it certain that the client’s own server receives the redirect', () => {
  expect(isClaimedRedirectUri('https://a.test/')).toBe(true);
  for (const uri of ['http://127.0.0.1/', 'com.example:/cb']) expect(isClaimedRedirectUri(uri)).toBe(false);
});

test('the form policy contains only the origin or scheme of the redirect URI', () => {
  expect(formActionSource('https://a.test/cb?x')).toBe('https://a.test');
  expect(formActionSource('http://127.0.0.1:49152/cb')).toBe('http://127.0.0.1:49152');
  expect(formActionSource('http://[::1]:49152/cb')).toBe('http:');
  expect(formActionSource('com.example.app:/cb')).toBe('com.example.app:');
});

test('parameters are appended to an existing query', () => {
  expect(redirectWith('https://a.test/?x=1', { code: 'c&d', state: undefined })).toBe('https://a.test/?x=1&code=c%26d');
  expect(redirectWith('https://a.test/', { iss: 'https://i.test' })).toBe('https://a.test/?iss=https%3A%2F%2Fi.test');
  expect(redirectWith('https://a.test/?x=1', { state: undefined })).toBe('https://a.test/?x=1');
});
