import { expect, test } from 'vitest';
import { createTestPorts } from '../../platform/testing/ports.ts';
import { createTestDatabase } from '../../platform/testing/stores.ts';
import { createAccessDirectory, FIRST_PARTY_CLIENT_ID } from './access-directory.ts';
import { resourceMetadata } from './server-metadata.ts';

test('a database whose own client is gone still has documents, with permissions alone as scopes', async () => {
  const database = await createTestDatabase();
  const ports = createTestPorts(database.url);
  try {
    const access = createAccessDirectory(ports);
    const address = { issuer: 'https://auth.example.test', publicUrl: 'https://auth.example.test' };
    const scopes = () => resourceMetadata({ access, ...address, bindsCertificates: false }).scopes_supported;
    await access.load();
    expect(scopes()).toEqual(expect.arrayContaining(['openid', 'keys:read']));
    await ports.raw('DELETE FROM oauth_clients WHERE "clientId" = $1', [FIRST_PARTY_CLIENT_ID]);
    await access.load();
    expect(scopes()).toEqual([...access.permissions()].sort());
  } finally {
    await ports.end();
    await database.drop();
  }
});
