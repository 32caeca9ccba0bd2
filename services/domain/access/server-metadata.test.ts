import { expect, test } from 'vitest';
import { confidentialMethods, serverMetadata } from './server-metadata.ts';

const methods = (bindsCertificates: boolean, exist: boolean): readonly string[] =>
  confidentialMethods({ bindsCertificates, certificateAuthorities: { exist } });

test('methods by certificate are named only where certificates are read, and by a name in one where they are verified', () => {
  const byCertificate = (names: readonly string[]) => names.filter((name) => name.includes('tls'));
  expect(byCertificate(methods(false, true))).toEqual([]);
  expect(byCertificate(methods(true, false))).toEqual(['self_signed_tls_client_auth']);
  expect(byCertificate(methods(true, true)).sort()).toEqual(['self_signed_tls_client_auth', 'tls_client_auth']);
});

test('the registration endpoint is named only where clients may register themselves', () => {
  const document = (registration: 'off' | 'open') =>
    serverMetadata({
      issuer: 'https://auth.example.test',
      publicUrl: 'https://api.example.test',
      bindsCertificates: false,
      certificateAuthorities: { exist: false },
      access: { publishedScopes: () => [] },
      clientSettings: { registration, readsDocuments: false },
    } as unknown as Parameters<typeof serverMetadata>[0]);
  expect(document('off')).not.toHaveProperty('registration_endpoint');
  expect(document('open').registration_endpoint).toBe('https://api.example.test/oauth2/register');
});
