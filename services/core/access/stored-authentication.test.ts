import { describe, expect, test } from 'vitest';
import { newAssertionMaker } from '#tools/testing/fakes/assertions.ts';
import { CERTIFICATE, derOf } from '#tools/testing/fakes/client-certificates.ts';
import { chooseAuthentication, storedAuthentication } from './stored-authentication.ts';

const { kid, kty, crv, x, y } = newAssertionMaker().jwk;
const jwks = { keys: [{ kid, kty, crv, x, y }] };
const certificates = { keys: [{ kty: 'EC', x5c: [derOf(CERTIFICATE)] }] };
const jwksUri = 'https://app.example/keys';
const name = { tls_client_auth_san_dns: 'app.example' };
const NOTHING = { jwks: null, jwks_uri: null, certificate_identity: null };

describe('what is stored of a client', () => {
  test.each([
    ['client_secret_basic', {}, {}],
    ['none', {}, {}],
    ['private_key_jwt', { jwks }, { jwks: JSON.stringify(jwks) }],
    ['private_key_jwt', { jwks_uri: jwksUri }, { jwks_uri: jwksUri }],
    ['tls_client_auth', name, { certificate_identity: { name: 'san_dns', value: 'app.example' } }],
    [
      'self_signed_tls_client_auth',
      { jwks: certificates },
      { certificate_identity: { thumbprints: [CERTIFICATE.thumbprint] } },
    ],
    ['self_signed_tls_client_auth', { jwks_uri: jwksUri }, { jwks_uri: jwksUri }],
  ] as const)('with %s and %j is all that the method needs', (method, given, stored) => {
    expect(storedAuthentication(method, given)).toEqual({ ...NOTHING, ...stored });
  });

  test.each([
    ['private_key_jwt', {}, 'jwks'],
    ['private_key_jwt', { jwks, jwks_uri: jwksUri }, 'jwks'],
    ['private_key_jwt', { jwks: {} }, 'jwks'],
    ['private_key_jwt', { jwks_uri: 'x' }, 'jwks_uri'],
    ['private_key_jwt', { jwks, ...name }, 'tls_client_auth_san_dns'],
    ['tls_client_auth', {}, 'tls_client_auth_subject_dn'],
    ['tls_client_auth', { ...name, jwks: certificates }, 'jwks'],
    ['tls_client_auth', { ...name, jwks_uri: jwksUri }, 'jwks_uri'],
    ['self_signed_tls_client_auth', {}, 'jwks'],
    ['self_signed_tls_client_auth', { jwks: certificates, jwks_uri: jwksUri }, 'jwks'],
    ['self_signed_tls_client_auth', { jwks }, 'jwks'],
    ['self_signed_tls_client_auth', { jwks_uri: 'http://app.example' }, 'jwks_uri'],
    ['self_signed_tls_client_auth', { jwks: certificates, ...name }, 'tls_client_auth_san_dns'],
    ['client_secret_basic', { jwks }, 'jwks'],
    ['client_secret_post', name, 'tls_client_auth_san_dns'],
    ['none', { jwks_uri: jwksUri }, 'jwks_uri'],
  ] as const)('with %s and %j is refused, naming %s', (method, given, at) => {
    expect(() => storedAuthentication(method, given)).toThrow(
      expect.objectContaining({
        code: 'client_keys_invalid',
        options: { problems: [{ at: `body/${at}`, why: expect.any(String) }] },
      }),
    );
  });

  test('may be limited to fewer certificates than an administrator may register', () => {
    const twice = { jwks: { keys: [certificates.keys[0], certificates.keys[0]] } };
    expect(chooseAuthentication('self_signed_tls_client_auth', twice, 1)).toMatchObject({
      why: 'has more than 1 keys',
    });
  });
});
