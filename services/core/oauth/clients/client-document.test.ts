import { describe, expect, test } from 'vitest';
import { documentLifeSeconds, isClientDocumentUrl, validateClientDocument } from './client-document.ts';

const URL_ = 'https://app.example/oauth/client.json';

describe('client ids that are document URLs (draft-ietf-oauth-client-id-metadata-document §3)', () => {
  test.each([URL_, 'https://app.example:8443/a', 'https://xn--bcher-kva.example/a/'])('%s', (url) => {
    expect(isClientDocumentUrl(url, false)).toBe(true);
  });

  test.each([
    ['a name', 'app'],
    ['nothing', ''],
    ['no path', 'https://app.example'],
    ['an empty path', 'https://app.example/'],
    ['plain http', 'http://app.example/a'],
    ['another scheme', 'ftp://app.example/a'],
    ['a query', `${URL_}?a=b`],
    ['an empty query', `${URL_}?`],
    ['a fragment', `${URL_}#a`],
    ['a user', 'https://me@app.example/a'],
    ['a password', 'https://:me@app.example/a'],
    ['a dot segment', 'https://app.example/a/../b'],
    ['a percent-encoded dot segment', 'https://app.example/a/%2e%2e/b'],
    ['capitals in the host', 'https://App.example/a'],
    ['a final dot of the host', 'https://app.example./a'],
    ['the default port', 'https://app.example:443/a'],
    ['an IPv4 address as one number', 'https://2130706433/a'],
    ['a backslash', 'https://app.example\\a'],
    ['a space', 'https://app.example/a b'],
    ['no host', 'https:///a'],
    ['too long', `${URL_}/${'a'.repeat(255)}`],
  ])('a client id is not a document URL: %s', (_why, url) => expect(isClientDocumentUrl(url, false)).toBe(false));

  test('plain http is accepted only if the settings allow it', () => {
    expect(isClientDocumentUrl('http://127.0.0.1:4000/a', true)).toBe(true);
    expect(isClientDocumentUrl('ftp://127.0.0.1/a', true)).toBe(false);
  });
});

test.each([
  [null, 3_600],
  ['public', 3_600],
  ['max-age=600', 600],
  ['public, Max-Age=7200, immutable', 7_200],
  ['max-age=1', 300],
  ['max-age=999999999', 86_400],
  ['no-store', 300],
  ['no-cache, max-age=600', 300],
  ['s-maxage=9', 3_600],
])('a document with Cache-Control %s is fetched again after %i s', (header, seconds) => {
  expect(documentLifeSeconds(header)).toBe(seconds);
});

describe('a client’s metadata document', () => {
  const good = { client_id: URL_, client_name: 'Notes', redirect_uris: ['https://app.example/cb'] };
  const validate = (document: unknown) => validateClientDocument(URL_, JSON.stringify(document), ['openid']);

  test('describes a public client with the scopes it may request', () =>
    expect(validate({ ...good, scope: 'openid users:manage', logo_uri: 'x' })).toMatchObject({
      kind: 'client',
      metadata: { name: 'Notes', auth_method: 'none', scopes: ['openid'], redirect_uris: good.redirect_uris },
    }));

  test.each([
    ['an array', [good], 'it is not a JSON object'],
    ['null', null, 'it is not a JSON object'],
    ['a string', 'x', 'it is not a JSON object'],
    ['another client id', { ...good, client_id: `${URL_}2` }, 'its client_id is not the URL of the document'],
    ['no client id', { ...good, client_id: undefined }, 'its client_id is not the URL of the document'],
    ['a secret', { ...good, client_secret: 's' }, 'it contains a client secret'],
    ['the expiry of a secret', { ...good, client_secret_expires_at: 0 }, 'it contains a client secret'],
    [
      'an authentication method that uses a secret',
      { ...good, token_endpoint_auth_method: 'client_secret_basic' },
      'token_endpoint_auth_method is not allowed.',
    ],
    [
      'an authentication method that uses keys',
      { ...good, token_endpoint_auth_method: 'private_key_jwt', jwks_uri: 'https://notes.example/keys' },
      'token_endpoint_auth_method is not allowed.',
    ],
    [
      'an unsupported authentication method',
      { ...good, token_endpoint_auth_method: 'client_secret_jwt' },
      'token_endpoint_auth_method is malformed or not supported.',
    ],
    [
      'a confidential client',
      { ...good, token_endpoint_auth_method: 'private_key_jwt', jwks_uri: 'https://app.example/keys' },
      'token_endpoint_auth_method is not allowed.',
    ],
    ['no redirect URI', { ...good, redirect_uris: [] }, 'redirect_uris is missing'],
  ])('is refused: %s', (_what, document, why) => {
    expect(validate(document)).toEqual({ kind: 'refused', why: expect.stringContaining(why) });
  });

  test('is refused if it is not valid JSON', () =>
    expect(validateClientDocument(URL_, '{', [])).toEqual({ kind: 'refused', why: 'it is not valid JSON' }));
});
