import { describe, expect, test } from 'vitest';
import { documentLifeSeconds, isClientDocumentUrl, judgeClientDocument } from './client-document.ts';

const URL_ = 'https://app.example/oauth/client.json';

describe('client ids that are addresses (draft-ietf-oauth-client-id-metadata-document §3)', () => {
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
    ['a hidden dot segment', 'https://app.example/a/%2e%2e/b'],
    ['capitals in the host', 'https://App.example/a'],
    ['a final dot of the host', 'https://app.example./a'],
    ['the default port', 'https://app.example:443/a'],
    ['a number for an address', 'https://2130706433/a'],
    ['a backslash', 'https://app.example\\a'],
    ['a space', 'https://app.example/a b'],
    ['no host', 'https:///a'],
    ['too long', `${URL_}/${'a'.repeat(255)}`],
  ])('%s is none', (_why, url) => {
    expect(isClientDocumentUrl(url, false)).toBe(false);
  });

  test('plain http is one where development says so', () => {
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
])('a document with %s is read again after %i s', (header, seconds) => {
  expect(documentLifeSeconds(header)).toBe(seconds);
});

describe('what a document says', () => {
  const good = { client_id: URL_, client_name: 'Notes', redirect_uris: ['https://app.example/cb'] };
  const judge = (document: unknown) => judgeClientDocument(URL_, JSON.stringify(document), ['openid']);

  test('a public client with what it may ask for', () => {
    expect(judge({ ...good, scope: 'openid users:manage', logo_uri: 'x' })).toMatchObject({
      kind: 'client',
      metadata: { name: 'Notes', authMethod: 'none', scopes: ['openid'], redirectUris: good.redirect_uris },
    });
  });

  test.each([
    ['an array', [good], 'it is no object'],
    ['null', null, 'it is no object'],
    ['a text', 'x', 'it is no object'],
    ['another client id', { ...good, client_id: `${URL_}2` }, 'its client_id is not its own address'],
    ['no client id', { ...good, client_id: undefined }, 'its client_id is not its own address'],
    ['a secret', { ...good, client_secret: 's' }, 'it names a secret'],
    ['the end of a secret', { ...good, client_secret_expires_at: 0 }, 'it names a secret'],
    [
      'a method with a secret',
      { ...good, token_endpoint_auth_method: 'client_secret_basic' },
      'token_endpoint_auth_method is not possible here.',
    ],
    [
      'a method that is not there',
      { ...good, token_endpoint_auth_method: 'private_key_jwt' },
      'token_endpoint_auth_method has a wrong form, or is not supported.',
    ],
    ['no redirect address', { ...good, redirect_uris: [] }, 'redirect_uris is missing'],
  ])('%s is refused', (_what, document, why) => {
    expect(judge(document)).toEqual({ kind: 'refused', why: expect.stringContaining(why) });
  });

  test('what is no JSON is refused', () => {
    expect(judgeClientDocument(URL_, '{', [])).toEqual({ kind: 'refused', why: 'it is no JSON' });
  });
});
