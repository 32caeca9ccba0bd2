import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import { AUTH_METHODS } from '#services/core/access/client-auth-shapes.ts';
import { clientRecord } from '#services/core/access/client-record.ts';
import { newAssertionMaker } from '#tools/testing/fakes/assertions.ts';
import { CERTIFICATE, derOf } from '#tools/testing/fakes/client-certificates.ts';
import { type MetadataRules, readClientMetadata } from './client-metadata.ts';

const REDIRECT = 'https://app.example/cb';
const BYE = 'https://app.example/bye';
const DEVICE = 'urn:ietf:params:oauth:grant-type:device_code';
const rules: MetadataRules = {
  defaultAuthMethod: 'none',
  authMethods: AUTH_METHODS,
  scopes: ['openid', 'email', 'offline_access'],
};
const read = (members: object, changes: Partial<MetadataRules> = {}) =>
  readClientMetadata({ redirect_uris: [REDIRECT], ...members }, { ...rules, ...changes });

/** Settings that register and that a request leaves out; those below are named. */
const omitted = z.object(clientRecord.registers.shapes).parse({});
const maker = newAssertionMaker();
const named = { token_endpoint_auth_method: 'tls_client_auth', tls_client_auth_san_dns: 'app.example' };
const certified = {
  token_endpoint_auth_method: 'self_signed_tls_client_auth',
  jwks: { keys: [{ kty: 'EC', x5c: [derOf(CERTIFICATE)] }] },
};
const keyless = { jwks: null, jwks_uri: null, certificate_identity: null };
const keyed = { token_endpoint_auth_method: 'private_key_jwt', jwks: { keys: [maker.jwk] } };

describe('client metadata (RFC 7591 §2)', () => {
  test('a client that signs assertions registers its public keys, or where they are', () => {
    const { kid, kty, crv, x, y } = maker.jwk;
    const { authentication } = read(keyed);
    expect([JSON.parse(authentication.jwks as string), authentication.jwks_uri]).toEqual([
      { keys: [{ kid, kty, crv, x, y }] },
      null,
    ]);
    const uri = 'https://app.example/keys';
    expect(read({ ...keyed, jwks: undefined, jwks_uri: uri }).authentication).toEqual({ ...keyless, jwks_uri: uri });
  });

  test('a client with a certificate registers one name of it, the certificate, or where it is', () => {
    const authentication = (members: object) => read(members).authentication;
    expect(authentication(named)).toMatchObject({ certificate_identity: { name: 'san_dns', value: 'app.example' } });
    expect(authentication(certified)).toMatchObject({
      jwks: null,
      certificate_identity: { thumbprints: [CERTIFICATE.thumbprint] },
    });
    const uri = 'https://app.example/keys';
    expect(authentication({ ...certified, jwks: undefined, jwks_uri: uri })).toEqual({ ...keyless, jwks_uri: uri });
    const unread = { ...named, token_endpoint_auth_method: 'none', jwks_uri: 7 };
    expect(authentication(unread), 'not read').toEqual(keyless);
  });

  test('omitted members have their defaults, and unsupported members are ignored', () => {
    expect(read({ jwks: 7, 'client_name#de': 1, contacts: ['a@b.test'], software_statement: {} })).toEqual({
      ...omitted,
      name: undefined,
      redirect_uris: [REDIRECT],
      post_logout_redirect_uris: [],
      backchannel_logout_uri: null,
      backchannel_logout_session_required: false,
      grant_types: ['authorization_code'],
      response_types: ['code'],
      auth_method: 'none',
      authentication: keyless,
      scopes: ['openid', 'email', 'offline_access'],
      dpop_bound_access_tokens: false,
      tls_client_certificate_bound_access_tokens: false,
      require_pushed_authorization_requests: false,
      id_token_signed_response_alg: null,
      access_token_signed_response_alg: null,
    });
    expect(read({}, { defaultAuthMethod: 'client_secret_basic' }).auth_method).toBe('client_secret_basic');
  });

  test('supported members are stored without duplicates, and scopes that are not allowed are left out (CVE-2026-96547, Keycloak: a client gave itself roles at registration)', () =>
    expect(
      read({
        client_name: ' Notes ',
        redirect_uris: [REDIRECT, 'http://127.0.0.1/cb', 'com.example.notes:/cb', REDIRECT],
        post_logout_redirect_uris: [BYE, BYE],
        backchannel_logout_uri: BYE,
        backchannel_logout_session_required: true,
        grant_types: ['authorization_code', 'refresh_token', 'refresh_token'],
        response_types: ['code', 'code'],
        token_endpoint_auth_method: 'client_secret_post',
        scope: 'users:manage email openid',
        roles: ['admin'],
        credential_scopes: ['users:manage'],
        dpop_bound_access_tokens: true,
        tls_client_certificate_bound_access_tokens: true,
        require_pushed_authorization_requests: true,
        id_token_signed_response_alg: 'ES256',
        access_token_signed_response_alg: 'EdDSA',
      }),
    ).toEqual({
      ...omitted,
      name: 'Notes',
      redirect_uris: [REDIRECT, 'http://127.0.0.1/cb', 'com.example.notes:/cb'],
      post_logout_redirect_uris: [BYE],
      backchannel_logout_uri: BYE,
      backchannel_logout_session_required: true,
      grant_types: ['authorization_code', 'refresh_token'],
      response_types: ['code'],
      auth_method: 'client_secret_post',
      authentication: keyless,
      scopes: ['openid', 'email'],
      dpop_bound_access_tokens: true,
      tls_client_certificate_bound_access_tokens: true,
      require_pushed_authorization_requests: true,
      id_token_signed_response_alg: 'ES256',
      access_token_signed_response_alg: 'EdDSA',
    }));

  test('accepts up to four redirect URIs of 512 characters', () => {
    const longest = Array.from({ length: 4 }, (_, at) => `${REDIRECT}/${at}${'x'.repeat(510 - REDIRECT.length)}`);
    expect(longest[0]).toHaveLength(512);
    expect(read({ redirect_uris: longest }).redirect_uris).toEqual(longest);
  });

  test('addresses that are not acceptable are left out, and the others are registered (RFC 7591 §3.2.1)', () => {
    const cursor = [
      'cursor://anysphere.cursor-mcp/oauth/callback',
      'https://www.cursor.com/agents/mcp/oauth/callback',
      'http://localhost:8787/callback',
    ];
    const named = read({
      redirect_uris: [...cursor, 7, 'javascript:alert(1)'],
      post_logout_redirect_uris: ['http://app.example/bye', BYE],
    });
    expect(named.redirect_uris).toEqual(cursor.slice(1));
    expect(named.post_logout_redirect_uris).toEqual([BYE]);
    const five = Array.from({ length: 5 }, (_, at) => `${REDIRECT}/${at}`);
    expect(read({ redirect_uris: five }).redirect_uris).toEqual(five.slice(0, 4));
  });

  test.each(['', ' ', null])('a member that is %j is as an absent one', (nothing) => {
    const members = [
      ...Object.keys(clientRecord.registers.shapes),
      ...'client_name scope grant_types response_types token_endpoint_auth_method'.split(' '),
      ...'post_logout_redirect_uris jwks jwks_uri tls_client_auth_san_dns'.split(' '),
    ];
    expect(read(Object.fromEntries(members.map((member) => [member, nothing])))).toEqual(read({}));
    expect(() => read({ redirect_uris: nothing })).toThrow(
      expect.objectContaining({ code: 'client_redirect_uri_invalid' }),
    );
  });

  test('grants and response types that an unvetted client may not have are left out (RFC 7591 §3.2.1)', () =>
    expect(
      read({
        grant_types: ['implicit', 'authorization_code', 'client_credentials', 'refresh_token'],
        response_types: ['code id_token', 'code', 'token'],
      }),
    ).toMatchObject({ grant_types: ['authorization_code', 'refresh_token'], response_types: ['code'] }));

  test('a device client needs no redirect URI and has no response type', () =>
    expect(read({ redirect_uris: undefined, grant_types: [DEVICE] })).toMatchObject({
      redirect_uris: [],
      response_types: [],
      grant_types: [DEVICE],
    }));

  test.each([
    ['a name that is not a string', { client_name: 7 }],
    ['a name that reverses the text around it', { client_name: 'Bank\u202e' }],
    ['a name with an invisible character', { client_name: 'Ba\u200bnk' }],
    ['a name that is too long', { client_name: 'x'.repeat(129) }],
    ['a grant that uses the client’s own permissions', { grant_types: ['client_credentials'] }],
    ['a grant that does not exist', { grant_types: ['implicit'] }],
    ['grants that are not a list', { grant_types: 'authorization_code' }],
    ['no grant', { grant_types: [] }],
    ['only the refresh grant, which no sign-in precedes', { grant_types: ['refresh_token'], response_types: [] }],
    ['a response type of another flow', { response_types: ['token'] }],
    ['a code without its response type', { response_types: [] }],
    ['a response type without its grant', { grant_types: [DEVICE], response_types: ['code'] }],
    ['an unsupported authentication method', { token_endpoint_auth_method: 'client_secret_jwt' }],
    ['private_key_jwt without keys', { token_endpoint_auth_method: 'private_key_jwt' }],
    ['private_key_jwt with both kinds of keys', { ...keyed, jwks_uri: 'https://app.example/keys' }],
    ['a key address that is not a string', { ...keyed, jwks: undefined, jwks_uri: 7 }],
    ['a key address without TLS', { ...keyed, jwks: undefined, jwks_uri: 'http://app.example/keys' }],
    ['two names of a certificate', { ...named, tls_client_auth_san_ip: '192.0.2.1' }],
    ['a name of a certificate that is not a string', { ...named, tls_client_auth_san_dns: 7 }],
    ['a method by certificate without one', { token_endpoint_auth_method: 'self_signed_tls_client_auth' }],
    ['more than four certificates', { ...certified, jwks: { keys: Array(5).fill(certified.jwks.keys[0]) } }],
    ['more than four keys', { ...keyed, jwks: { keys: Array.from({ length: 5 }, () => maker.jwk) } }],
    ['a scope with a quote', { scope: 'open"id' }],
    ['no allowed scope', { scope: 'users:manage' }],
    ['an algorithm that is not a name', { id_token_signed_response_alg: 'RS256 ES256' }],
    ['an algorithm that is too long', { access_token_signed_response_alg: 'x'.repeat(17) }],
    ['a flag that is not a boolean', { dpop_bound_access_tokens: 'yes' }],
    ['a sign-out address that is no list', { post_logout_redirect_uris: BYE }],
    ['a sign-out address without TLS', { post_logout_redirect_uris: ['http://app.example/bye'] }],
    ['an address for logout tokens without TLS', { backchannel_logout_uri: 'http://app.example/bye' }],
    ['an address for logout tokens with a fragment', { backchannel_logout_uri: `${BYE}#x` }],
    ['an address for logout tokens with a user part', { backchannel_logout_uri: 'https://a@app.example/' }],
    ['a page that is a script', { client_uri: 'javascript:alert(1)//https://app.example' }],
    ['a page without TLS', { client_uri: 'http://app.example' }],
    ['a page with a space', { client_uri: 'https://app.example/ about' }],
    ['a page with a user part that looks like a host', { client_uri: 'https://bank.example@app.example/' }],
    ['a page of more than 512 characters', { client_uri: `https://app.example/${'a'.repeat(493)}` }],
    ['more sign-out addresses than are read', { post_logout_redirect_uris: Array(65).fill(BYE) }],
  ])('%s is invalid_client_metadata', (_why, members) => {
    expect(() => read(members)).toThrow(expect.objectContaining({ code: 'client_metadata_invalid' }));
  });

  test('the page of a client is an https address', () => {
    for (const uri of ['https://app.example', 'https://app.example:8443/about?a=@b#c@d', 'https://[::1]/'])
      expect(read({ client_uri: uri }).client_uri).toBe(uri);
  });

  test('an authentication method that the rules do not allow is refused', () => {
    const given = { token_endpoint_auth_method: 'client_secret_basic' };
    expect(() => read(given, { authMethods: ['none'] })).toThrow(
      expect.objectContaining({ code: 'client_metadata_invalid' }),
    );
  });

  test.each([
    ['none', undefined],
    ['an empty list', []],
    ['not a list', REDIRECT],
    ['not a string', [7]],
    ['one too long', [`${REDIRECT}/${'x'.repeat(513 - 1 - REDIRECT.length)}`]],
    ['more than are read', Array.from({ length: 65 }, (_, at) => `${REDIRECT}/${at}`)],
    ['plain http', ['http://app.example/cb']],
    ['a fragment', [`${REDIRECT}#x`]],
    ['a wildcard', ['https://*.example/cb']],
    ['a user part', ['https://a@app.example/cb']],
    ['a javascript URI', ['javascript:alert(1)']],
    ['a scheme without a dot', ['notes:/cb']],
  ])('redirect URIs: %s is invalid_redirect_uri', (_why, redirect_uris) => {
    expect(() => read({ redirect_uris })).toThrow(expect.objectContaining({ code: 'client_redirect_uri_invalid' }));
  });
});
