import { expect, test } from 'vitest';
import { ACCESS_PURPOSE } from '../keys/key-timeline.ts';
import { confidentialMethods, openIdConfiguration, serverMetadata } from './server-metadata.ts';

const methods = (bindsCertificates: boolean, exist: boolean): readonly string[] =>
  confidentialMethods({ bindsCertificates, certificateAuthorities: { exist } });

test('methods by certificate are named only where certificates are read, and by a name in one where they are verified', () => {
  const byCertificate = (names: readonly string[]) => names.filter((name) => name.includes('tls'));
  expect(byCertificate(methods(false, true))).toEqual([]);
  expect(byCertificate(methods(true, false))).toEqual(['self_signed_tls_client_auth']);
  expect(byCertificate(methods(true, true)).sort()).toEqual(['self_signed_tls_client_auth', 'tls_client_auth']);
});

const ports = (registration: 'off' | 'open', keys: readonly unknown[] = []) =>
  ({
    issuer: 'https://auth.example.test',
    publicUrl: 'https://api.example.test',
    bindsCertificates: false,
    certificateAuthorities: { exist: false },
    access: { publishedScopes: () => [], publishedDetailTypes: () => ['payment'] },
    clientSettings: { registration, readsDocuments: false },
    keyRing: { list: () => keys },
    grants: [],
  }) as unknown as Parameters<typeof openIdConfiguration>[0];

test('the registration endpoint is named only where clients may register themselves', () => {
  expect(serverMetadata(ports('off'))).not.toHaveProperty('registration_endpoint');
  expect(serverMetadata(ports('open')).registration_endpoint).toBe('https://api.example.test/oauth2/register');
});

test('the algorithms of ID tokens are those of active keys, and of the pending key that follows the default one', () => {
  const keys = [
    { alg: 'RS256', purpose: ACCESS_PURPOSE, state: 'retiring' },
    { alg: 'ES256', purpose: ACCESS_PURPOSE, state: 'active' },
    { alg: 'HS256', purpose: ACCESS_PURPOSE, state: 'active' },
    { alg: 'EdDSA', purpose: ACCESS_PURPOSE, state: 'pending' },
    { alg: 'PS256', purpose: 'access:additional', state: 'pending' },
  ];
  expect(openIdConfiguration(ports('off', keys)).id_token_signing_alg_values_supported).toEqual(['ES256', 'EdDSA']);
});
