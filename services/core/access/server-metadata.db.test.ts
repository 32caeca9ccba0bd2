import { expect, onTestFinished, test } from 'vitest';
import { openTestPorts } from '#tools/testing/harness/stores.ts';
import { FIRST_PARTY_CLIENT_ID } from '../authority/callers.ts';
import { OWN_SCOPES } from '../authority/own-scopes.ts';
import { openKeyHarness } from '../keys/key-harness.ts';
import { createAccessDirectory } from './access-directory.ts';
import type { HasClientSettings } from './client-settings.ts';
import { openIdConfiguration, resourceMetadata, serverMetadata } from './server-metadata.ts';

const address = {
  issuer: 'https://auth.example.test',
  publicUrl: 'https://api.example.test',
  bindsCertificates: false,
  certificateAuthorities: { exist: false },
  grants: [],
};
const closed: HasClientSettings['clientSettings'] = {
  registration: 'off',
  readsDocuments: false,
  documentsPrivate: false,
  logoutPrivate: false,
  scopes: [],
  audiences: [],
};

test('without the first-party client the documents are still served, with only permissions and own scopes', async () => {
  const ports = await openTestPorts();
  onTestFinished(() => ports.end());
  const access = createAccessDirectory(ports);
  const scopes = () => resourceMetadata({ access, ...address }).scopes_supported;
  await access.load();
  expect(scopes()).toEqual(expect.arrayContaining(['openid', 'keys:read']));
  await ports.raw`DELETE FROM oauth_clients WHERE "clientId" = ${FIRST_PARTY_CLIENT_ID}`;
  await access.load();
  expect(scopes()).toEqual([...access.permissions(), ...OWN_SCOPES].sort());
});

test('the documents contain the issuer byte for byte, endpoints of this address only, and only enabled features', async () => {
  const harness = await openKeyHarness();
  onTestFinished(() => harness.close());
  const access = createAccessDirectory(harness.ports);
  await access.load();
  const document = (settings: Partial<typeof closed> = {}, bindsCertificates = false, exist = false) =>
    serverMetadata({
      access,
      ...address,
      bindsCertificates,
      certificateAuthorities: { exist },
      clientSettings: { ...closed, ...settings },
    });
  const closedDocument = document();
  expect(closedDocument.issuer).toBe(address.issuer);
  const endpoints = Object.entries(closedDocument).filter(([name]) => /_(endpoint|uri)$/.test(name));
  expect(endpoints.length).toBeGreaterThan(6);
  for (const [, url] of endpoints) expect(url).toMatch(/^https:\/\/api\.example\.test\//);
  expect(closedDocument).not.toHaveProperty('registration_endpoint');
  expect(closedDocument).toMatchObject({
    client_id_metadata_document_supported: false,
    tls_client_certificate_bound_access_tokens: false,
  });
  for (const registration of ['token', 'open'] as const)
    expect(document({ registration }).registration_endpoint).toBe('https://api.example.test/oauth2/register');
  expect(document({ readsDocuments: true }, true)).toMatchObject({
    client_id_metadata_document_supported: true,
    tls_client_certificate_bound_access_tokens: true,
  });
  const methodsOf = (...certificates: [boolean, boolean]) =>
    document({}, ...certificates).introspection_endpoint_auth_methods_supported.filter((name) => name.includes('tls'));
  expect([methodsOf(false, true), methodsOf(true, false), methodsOf(true, true)]).toEqual([
    [],
    ['self_signed_tls_client_auth'],
    ['tls_client_auth', 'self_signed_tls_client_auth'],
  ]);
  expect(closedDocument.scopes_supported).toEqual(resourceMetadata({ access, ...address }).scopes_supported);
});

test('the ID token algorithms are those of the signing keys, and never HS256, whose secret clients would share', async () => {
  const harness = await openKeyHarness();
  onTestFinished(() => harness.close());
  const access = createAccessDirectory(harness.ports);
  await access.load();
  const keyRing = await harness.startRing('EdDSA');
  const configuration = () => openIdConfiguration({ access, ...address, clientSettings: closed, keyRing });
  const algorithms = () => configuration().id_token_signing_alg_values_supported;
  expect(algorithms()).toEqual(['EdDSA']);
  expect(configuration()).toMatchObject({
    ...serverMetadata({ access, ...address, clientSettings: closed }),
    userinfo_endpoint: 'https://api.example.test/oauth2/userinfo',
    request_uri_parameter_supported: false,
  });
  await harness.empty();
  const shared = await harness.startRing('HS256');
  expect(shared.list().map(({ alg }) => alg)).toContain('HS256');
  const discovery = openIdConfiguration({ access, ...address, clientSettings: closed, keyRing: shared });
  expect(discovery.id_token_signing_alg_values_supported).not.toContain('HS256');
});
