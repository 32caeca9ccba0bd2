import { beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { testCaller } from '#tools/testing/harness/ports.ts';
import { opened } from '#tools/testing/opened.ts';
import { FIRST_PARTY_CLIENT_ID } from '../authority/callers.ts';
import { ensureKeys } from '../keys/ensure-keys.ts';
import { keySettings } from '../keys/key-harness.ts';
import { listKeys } from '../keys/list-keys.ts';
import type { ClientChanges } from './client-record.ts';
import { ensureNeededKeys } from './ensure-needed-keys.ts';
import { readClient, registerClient, updateClient } from './manage-clients.ts';
import { openClientHarness } from './manage-clients-harness.ts';
import { readUnsignedAlgorithms, unsignedAlgorithm } from './signed-algorithms.ts';

const harness = opened(() => openClientHarness());
beforeAll(async () => {
  await start(['ES256']);
});

const reason = 'test';
/** An API start on RS256 keys, with these additional algorithms. */
const start = (additionalAlgorithms: ('ES256' | 'EdDSA')[]) =>
  ensureKeys(harness, keySettings({ algorithm: 'RS256', additionalAlgorithms }), testCaller);
const refusal = (detail: string) => ({ code: 'signing_algorithm_refused', options: { detail } });

test('a client has the default algorithm until it is registered for others, which revokes nothing and is audited', async () => {
  const { client_id: clientId, ...made } = await harness.newClient();
  expect(made).toMatchObject({ id_token_signed_response_alg: null, access_token_signed_response_alg: null });
  const change = (changes: ClientChanges) =>
    updateClient(harness, { client_id: clientId, ...changes, reason }, testCaller);
  const algorithms = () => {
    const {
      id_token_signed_response_alg: idTokenAlgorithm,
      access_token_signed_response_alg: accessTokenAlgorithm,
      tokenEpoch,
    } = harness.access.client(clientId) ?? {};
    return [idTokenAlgorithm, accessTokenAlgorithm, tokenEpoch];
  };
  expect(
    await change({ id_token_signed_response_alg: 'ES256', access_token_signed_response_alg: 'RS256' }),
  ).toMatchObject({ id_token_signed_response_alg: 'ES256', access_token_signed_response_alg: 'RS256' });
  expect(algorithms()).toEqual(['ES256', 'RS256', 0]);
  await change({ name: 'Other' });
  expect(algorithms()).toEqual(['ES256', 'RS256', 0]);
  await change({ access_token_signed_response_alg: null });
  expect(algorithms()).toEqual(['ES256', null, 0]);
  const events = await harness.raw<{ detail: { columns: string[] } }>`SELECT detail FROM audit_outbox
    WHERE type = 'client.changed' AND target_id = ${clientId} ORDER BY id`;
  expect(events.map(({ detail }) => detail.columns)).toEqual([
    ['access_token_signed_response_alg', 'id_token_signed_response_alg'],
    ['name'],
    ['access_token_signed_response_alg'],
  ]);
});

test('a client can be created with its algorithms', async () => {
  const made = await harness.newClient({
    id_token_signed_response_alg: 'ES256',
    access_token_signed_response_alg: 'ES256',
  });
  const algorithms = { id_token_signed_response_alg: 'ES256', access_token_signed_response_alg: 'ES256' };
  expect(made).toMatchObject(algorithms);
  expect(await readClient(harness, made)).toMatchObject(algorithms);
});

test('an algorithm that is not signed here is refused with those that are, and changes nothing', async () => {
  const { client_id: clientId } = await harness.newClient({ id_token_signed_response_alg: 'ES256' });
  const why = 'access_token_signed_response_alg EdDSA is not signed here. Clients can be registered for: RS256, ES256.';
  const input = {
    name: 'App',
    grant_types: [],
    redirect_uris: [],
    reason,
    access_token_signed_response_alg: 'EdDSA',
  } as const;
  await expect(registerClient(harness, input, testCaller)).rejects.toMatchObject(refusal(why));
  const changes = { id_token_signed_response_alg: 'RS256', access_token_signed_response_alg: 'EdDSA' } as const;
  await expect(updateClient(harness, { client_id: clientId, ...changes, reason }, testCaller)).rejects.toMatchObject(
    refusal(why),
  );
  expect(await readClient(harness, { client_id: clientId })).toMatchObject({ id_token_signed_response_alg: 'ES256' });
});

test('the table refuses an algorithm that no key can have, and the first-party client keeps the default', async () => {
  const { client_id: clientId } = await harness.newClient();
  const set = (alg: string) =>
    harness.raw`UPDATE oauth_clients SET access_token_signed_response_alg = ${alg} WHERE "clientId" = ${clientId}`;
  for (const alg of ['HS256', 'none', '']) await expect(set(alg)).rejects.toThrow('check constraint');
  const changes = { access_token_signed_response_alg: 'ES256' } as const;
  await expect(
    updateClient(harness, { client_id: FIRST_PARTY_CLIENT_ID, ...changes, reason }, testCaller),
  ).rejects.toMatchObject({ code: 'client_protected' });
});

test('the algorithms that clients wait for while no key signs with them are counted, with disabled clients', async () => {
  await harness.raw`DELETE FROM oauth_clients WHERE "clientId" <> ${FIRST_PARTY_CLIENT_ID}`;
  await harness.newClient({ id_token_signed_response_alg: 'ES256', access_token_signed_response_alg: 'ES256' });
  await harness.newClient({ id_token_signed_response_alg: 'RS256', access_token_signed_response_alg: 'ES256' });
  const { client_id: off } = await harness.newClient({ id_token_signed_response_alg: 'ES256' });
  await harness.raw`UPDATE oauth_clients SET disabled = true WHERE "clientId" = ${off}`;
  expect(await readUnsignedAlgorithms(harness)).toEqual([]);
  await start([]);
  expect(await readUnsignedAlgorithms(harness)).toEqual([{ algorithm: 'ES256', clients: 3 }]);
});

describe('a start', () => {
  const settingsOf = (algorithm: 'RS256' | 'ES256' | 'HS256', listed: readonly ('RS256' | 'EdDSA')[] = []) =>
    keySettings({ algorithm, additionalAlgorithms: listed, jwtSecret: 'x'.repeat(32) });
  const startNeeded = (...settings: Parameters<typeof settingsOf>) =>
    ensureNeededKeys(harness, settingsOf(...settings), testCaller);
  const register = (clientId: string, algorithm: string) =>
    harness.raw`UPDATE oauth_clients SET id_token_signed_response_alg = ${algorithm} WHERE "clientId" = ${clientId}`;
  /** The purposes in which a key signs now or after its hold period, with its algorithm. */
  const signing = async () => {
    const open = (await listKeys(harness)).filter((key) => key.signs_until === null && key.compromised_at === null);
    return open.map(({ purpose, alg }) => `${purpose} ${alg}`).sort();
  };
  let clientId: string;
  beforeEach(async () => {
    await harness.raw`TRUNCATE jwks, key_policy`;
    await harness.raw`DELETE FROM oauth_clients WHERE "clientId" <> ${FIRST_PARTY_CLIENT_ID}`;
    await start(['ES256']);
    ({ client_id: clientId } = await harness.newClient({ id_token_signed_response_alg: 'ES256' }));
  });

  test('without an algorithm that clients are registered for keeps its keys, and says so', async () => {
    const keeps =
      'JWT_ADDITIONAL_ALGORITHMS does not list ES256, but clients are registered for it (1): its keys keep signing';
    expect(await startNeeded('RS256')).toEqual({ created: [], warnings: [keeps] });
    expect(await signing()).toEqual(['access RS256', 'access:ES256 ES256']);
    await register(clientId, 'RS256');
    expect(await startNeeded('RS256')).toEqual({ created: [], warnings: [] });
    expect(await signing()).toEqual(['access RS256']);
  });

  test('with another default makes keys of the old one for the clients registered for it, before that stops', async () => {
    await register(clientId, 'RS256');
    const { created, warnings } = await startNeeded('ES256');
    expect([created.length, warnings[0]]).toEqual([1, expect.stringContaining('does not list RS256')]);
    expect(await signing()).toEqual(['access RS256', 'access:ES256 ES256', 'access:RS256 RS256']);
    expect(await readUnsignedAlgorithms(harness)).toEqual([]);
    expect((await startNeeded('ES256', ['RS256'])).created).toEqual([]);
  });

  test('needs no other keys for the default algorithm, which is RS256 in HS256 mode', async () => {
    await register(clientId, 'RS256');
    await startNeeded('HS256');
    expect((await signing()).filter((key) => key.startsWith('access'))).toEqual(['access RS256']);
  });
});

test('names the member at fault, and says so where no algorithm is left', () => {
  expect(unsignedAlgorithm({}, [])).toBeUndefined();
  expect(
    unsignedAlgorithm({ id_token_signed_response_alg: null, access_token_signed_response_alg: 'RS256' }, ['RS256']),
  ).toBeUndefined();
  expect(unsignedAlgorithm({ id_token_signed_response_alg: 'PS256' }, ['RS256'])).toBe(
    'id_token_signed_response_alg PS256 is not signed here. Clients can be registered for: RS256.',
  );
  expect(unsignedAlgorithm({ access_token_signed_response_alg: 'RS256' }, [])).toBe(
    'access_token_signed_response_alg RS256 is not signed here. Clients can be registered for: no algorithm now; its keys are about to change.',
  );
});
