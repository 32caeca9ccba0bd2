import { describe, expect, test } from 'vitest';
import { type MetadataRules, readClientMetadata } from './client-metadata.ts';

const REDIRECT = 'https://app.example/cb';
const DEVICE = 'urn:ietf:params:oauth:grant-type:device_code';
const rules: MetadataRules = {
  defaultAuthMethod: 'none',
  authMethods: ['none', 'client_secret_basic', 'client_secret_post'],
  scopes: ['openid', 'email', 'offline_access'],
};
const read = (members: object, changes: Partial<MetadataRules> = {}) =>
  readClientMetadata({ redirect_uris: [REDIRECT], ...members }, { ...rules, ...changes });

describe('what a client says of itself (RFC 7591 §2)', () => {
  test('what is left out has its default; what is not understood is not read', () => {
    expect(read({ jwks: 7, 'client_name#de': 1, contacts: ['a@b.test'], software_statement: {} })).toEqual({
      name: undefined,
      redirectUris: [REDIRECT],
      grantTypes: ['authorization_code'],
      responseTypes: ['code'],
      authMethod: 'none',
      scopes: ['openid', 'email', 'offline_access'],
      dpopBound: false,
      certificateBound: false,
      pushesRequests: false,
    });
    expect(read({}, { defaultAuthMethod: 'client_secret_basic' }).authMethod).toBe('client_secret_basic');
  });

  test('what is said is kept, each thing once; scopes beyond the allowed ones are left out', () => {
    expect(
      read({
        client_name: ' Notes ',
        redirect_uris: [REDIRECT, 'http://127.0.0.1/cb', 'com.example.notes:/cb', REDIRECT],
        grant_types: ['authorization_code', 'refresh_token', 'refresh_token'],
        response_types: ['code', 'code'],
        token_endpoint_auth_method: 'client_secret_post',
        scope: 'users:manage email openid',
        dpop_bound_access_tokens: true,
        tls_client_certificate_bound_access_tokens: true,
        require_pushed_authorization_requests: true,
      }),
    ).toEqual({
      name: 'Notes',
      redirectUris: [REDIRECT, 'http://127.0.0.1/cb', 'com.example.notes:/cb'],
      grantTypes: ['authorization_code', 'refresh_token'],
      responseTypes: ['code'],
      authMethod: 'client_secret_post',
      scopes: ['openid', 'email'],
      dpopBound: true,
      certificateBound: true,
      pushesRequests: true,
    });
  });

  test('four redirect addresses of 512 characters are the most', () => {
    const longest = Array.from({ length: 4 }, (_, at) => `${REDIRECT}/${at}${'x'.repeat(510 - REDIRECT.length)}`);
    expect(longest[0]).toHaveLength(512);
    expect(read({ redirect_uris: longest }).redirectUris).toEqual(longest);
  });

  test('a device needs no redirect address and has no response type', () => {
    expect(read({ redirect_uris: undefined, grant_types: [DEVICE] })).toMatchObject({
      redirectUris: [],
      responseTypes: [],
      grantTypes: [DEVICE],
    });
  });

  test.each([
    ['a name that is no text', { client_name: 7 }],
    ['an empty name', { client_name: ' ' }],
    ['a name that turns what stands around it', { client_name: 'Bank\u202e' }],
    ['a name with what cannot be seen', { client_name: 'Ba\u200bnk' }],
    ['a name too long', { client_name: 'x'.repeat(129) }],
    ['a grant of rights of its own', { grant_types: ['client_credentials'] }],
    ['a grant that does not exist', { grant_types: ['implicit'] }],
    ['grants that are no list', { grant_types: 'authorization_code' }],
    ['no grant', { grant_types: [] }],
    ['refreshing what nothing begins', { grant_types: ['refresh_token'], response_types: [] }],
    ['a response type of another flow', { response_types: ['token'] }],
    ['a code without its response type', { response_types: [] }],
    ['a response type without its grant', { grant_types: [DEVICE], response_types: ['code'] }],
    ['a method that does not exist here', { token_endpoint_auth_method: 'private_key_jwt' }],
    ['a scope with a quote', { scope: 'open"id' }],
    ['no scope that is allowed', { scope: 'users:manage' }],
    ['a flag that is none', { dpop_bound_access_tokens: 'yes' }],
  ])('%s is invalid_client_metadata', (_why, members) => {
    expect(() => read(members)).toThrow(expect.objectContaining({ code: 'client_metadata_invalid' }));
  });

  test('a method that this kind of client cannot have is refused', () => {
    const told = { token_endpoint_auth_method: 'client_secret_basic' };
    expect(() => read(told, { authMethods: ['none'] })).toThrow(
      expect.objectContaining({ code: 'client_metadata_invalid' }),
    );
  });

  test.each([
    ['none', undefined],
    ['an empty list', []],
    ['no list', REDIRECT],
    ['no text', [7]],
    ['one too long', [`${REDIRECT}/${'x'.repeat(513 - 1 - REDIRECT.length)}`]],
    ['one too many', Array.from({ length: 5 }, (_, at) => `${REDIRECT}/${at}`)],
    ['plain http', ['http://app.example/cb']],
    ['a fragment', [`${REDIRECT}#x`]],
    ['a wildcard', ['https://*.example/cb']],
    ['a user part', ['https://a@app.example/cb']],
    ['what browsers run', ['javascript:alert(1)']],
    ['a scheme without a dot', ['notes:/cb']],
  ])('redirect addresses: %s is invalid_redirect_uri', (_why, redirect_uris) => {
    expect(() => read({ redirect_uris })).toThrow(expect.objectContaining({ code: 'client_redirect_uri_invalid' }));
  });
});
