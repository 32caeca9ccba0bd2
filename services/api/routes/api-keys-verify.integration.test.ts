import { generateKeyPairSync } from 'node:crypto';
import { beforeAll, describe, expect, test } from 'vitest';
import { eventually } from '#tools/testing/eventually.ts';
import { promised } from '#tools/testing/harness/busy-machine.ts';
import { testRedisUrl } from '#tools/testing/harness/stores.ts';
import { opened } from '#tools/testing/opened.ts';
import { startTcpProxy } from '#tools/testing/processes/tcp-proxy.ts';
import { openApiKeyHarness } from './api-keys-harness.ts';

const audience = 'https://notes.example';
/** A revocation must be refused everywhere within this time. */
const REACH_MS = promised(1_000);

const harness = opened(openApiKeyHarness);
const redis = opened(() => startTcpProxy(testRedisUrl()));
/** A second copy, whose Redis the tests can cut off. */
const other = opened(() => harness.startCopy({ hashes: false, env: { REDIS_URL: redis.url } }));
beforeAll(async () => {
  const declared = await harness.call('POST', '/v1/admin/applications', {
    bearer: harness.admin.bearer,
    json: {
      application: 'notes',
      audience,
      permissions: ['notes:read', 'notes:write'],
      roles: { editor: ['notes:read', 'notes:write'] },
      reason: 'test',
    },
  });
  expect(declared.status).toBe(200);
});
const ada = opened(() => harness.newUser('notes.editor'));
const service = opened(() => harness.newClient(['tokens:introspect']));
beforeAll(async () => {
  await harness.rows`UPDATE oauth_clients SET audiences = ${[audience]} WHERE "clientId" = ${service.client_id}`;
  for (const copy of [harness.api, other]) await copy.ports.access.load();
});

const ask = async (key: string, members: object = {}, copy = harness.api) =>
  (await harness.call('POST', '/v1/api-keys/verify', { json: { key, ...members }, copy })).body;
const introspect = async (token: string, copy = harness.api) =>
  (await harness.call('POST', '/oauth2/introspect', { basic: service, form: { token }, copy })).body;

describe('a key with permissions of an application', () => {
  test('is created within the rights of its owner', async () => {
    const { secret } = await harness.makeKey({ bearer: ada.bearer }, { permissions: ['notes:write'] });
    expect(await ask(secret, { audience })).toMatchObject({
      active: true,
      claims: { sub: ada.id, aud: [audience], permissions: ['notes:write'] },
    });
    // The installation gives it nothing.
    expect((await harness.listWith(secret)).body.code).toBe('permission_missing');
    const bob = await harness.newUser();
    const greedy = { name: 'x', permissions: ['notes:write'] };
    for (const by of [{ bearer: bob.bearer }, { basic: service }])
      expect((await harness.call('POST', '/v1/api-keys', { ...by, json: greedy })).body.code).toBe('rights_exceeded');
    await harness.rows`UPDATE oauth_clients SET credential_scopes = '{notes:write}'
      WHERE "clientId" = ${harness.reader.client_id}`;
    await harness.api.ports.access.load();
    const ofClient = await harness.makeKey({ basic: harness.reader }, { permissions: ['notes:write'] });
    expect((await ask(ofClient.secret, { audience })).claims).toMatchObject({
      sub: harness.reader.client_id,
      permissions: ['notes:write'],
    });
  });

  test('loses them with the role of its owner, on every copy within a second', async () => {
    const { secret } = await harness.makeKey({ bearer: ada.bearer }, { permissions: ['notes:read'] });
    await eventually('the other copy to know the key', async () => (await ask(secret, {}, other)).active);
    const bearer = harness.admin.bearer;
    const path = `/v1/admin/users/${ada.id}/roles/notes.editor`;
    expect((await harness.call('DELETE', `${path}?reason=x`, { bearer })).status).toBe(200);
    for (const copy of [harness.api, other])
      await eventually('the key to be refused', async () => !(await ask(secret, {}, copy)).active, REACH_MS);
  });
});

describe('a service that was shown a key', () => {
  test('sends it in a body, with or without further members, or passes the header on', async () => {
    const { secret } = await harness.makeKey({ bearer: harness.admin.bearer }, { permissions: ['keys:read'] });
    const path = '/v1/api-keys/verify';
    for (const sent of [{ json: { key: secret } }, { json: { audience, key: secret } }, { bearer: secret }])
      expect((await harness.call('POST', path, sent)).body.active).toBe(true);
    expect((await harness.call('POST', path)).body).toEqual({ active: false, reason: 'malformed' });
    for (const json of [{ token: secret }, { key: secret, more: 1 }, { key: '' }])
      expect((await harness.call('POST', path, { json })).body.code).toBe('request_invalid');
  });

  test('asks by introspection as for a token', async () => {
    const { secret } = await harness.makeKey({ bearer: harness.admin.bearer }, { permissions: ['keys:read'] });
    expect(await introspect(secret)).toMatchObject({
      active: true,
      token_type: 'Bearer',
      sub: harness.admin.id,
      scope: 'keys:read',
      aud: [harness.api.ports.tokenSettings.audience, audience],
    });
    expect(await introspect(`${secret.slice(0, -1)}~`)).toEqual({ active: false });
  });

  test('is answered while Redis is down, and learns of a revocation within a second then too', async () => {
    const { id, secret } = await harness.makeKey({ bearer: harness.admin.bearer }, { permissions: ['keys:read'] });
    await eventually('the other copy to know the key', async () => (await ask(secret, {}, other)).active);
    await redis.cut();
    expect((await ask(secret, {}, other)).active).toBe(true);
    expect((await introspect(secret, other)).active).toBe(true);
    const gone = await harness.call('DELETE', `/v1/api-keys/${id}`, { bearer: harness.admin.bearer });
    expect(gone.status).toBe(204);
    expect(await ask(secret)).toEqual({ active: false, reason: 'invalid' });
    await eventually('the other copy to refuse it', async () => !(await ask(secret, {}, other)).active, REACH_MS);
    expect(await introspect(secret, other)).toEqual({ active: false });
  });

  test('gets nothing for the secret of a key that signs its requests', async () => {
    const jwk = generateKeyPairSync('ed25519').publicKey.export({ format: 'jwk' });
    const { secret } = await harness.makeKey({ bearer: harness.admin.bearer }, { public_key: jwk });
    expect(await ask(secret)).toEqual({ active: false, reason: 'signature_required' });
    expect(await introspect(secret)).toEqual({ active: false });
  });
});
