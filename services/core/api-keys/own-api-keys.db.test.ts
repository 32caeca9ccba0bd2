import { generateKeyPairSync, randomUUID } from 'node:crypto';
import { beforeAll, describe, expect, test } from 'vitest';
import { clientCaller, testCaller, userCaller } from '#tools/testing/harness/ports.ts';
import { type OwnPorts, openTestPorts } from '#tools/testing/harness/stores.ts';
import { opened } from '#tools/testing/opened.ts';
import { type AccessDirectory, createAccessDirectory } from '../access/access-directory.ts';
import { createClient } from '../access/create-client.ts';
import type { Caller } from '../ports.ts';
import { readApiKey } from './api-keys.store.ts';
import { type CreateApiKeyInput, createApiKey } from './create-api-key.ts';
import { listAllApiKeys, listApiKeys } from './list-api-keys.ts';
import { endKeysSince, revokeAnyApiKey, revokeApiKey } from './revoke-api-key.ts';
import { rotateApiKey } from './rotate-api-key.ts';

const base = opened(() => openTestPorts());
let ports: OwnPorts & { readonly access: AccessDirectory; apiKeysChanged(): void };
let changes = 0;
beforeAll(async () => {
  const access = createAccessDirectory(base);
  ports = {
    ...base,
    access,
    apiKeysChanged: () => {
      changes += 1;
    },
  };
});

type UserCaller = Caller & { readonly kind: 'user' };

/** A signed-in user with these permissions. */
async function signedIn(...permissions: string[]): Promise<UserCaller> {
  const [userId, sessionId] = [randomUUID(), randomUUID()];
  await base.raw`INSERT INTO users (id, email, name) VALUES (${userId}, ${`${userId}@keys.test`}, 'Ada')`;
  await base.raw`INSERT INTO sessions (id, "userId", token, "expiresAt")
    VALUES (${sessionId}, ${userId}, ${sessionId}, now() + interval '1 hour')`;
  return userCaller(userId, { sessionId, permissions: new Set(permissions), by: 'session' });
}

/** A client that this copy has loaded. */
async function client(...permissions: string[]): Promise<Caller & { readonly kind: 'client' }> {
  const made = await createClient(base, { name: 'Worker', grant_types: ['client_credentials'] }, testCaller);
  await ports.access.load();
  return clientCaller(made.clientId, permissions);
}

const create = (caller: Caller, input: Partial<CreateApiKeyInput> = {}) =>
  createApiKey(ports, { name: 'deploy', ...input }, caller);
const idOf = async (caller: Caller): Promise<string> => (await create(caller)).api_key.api_key_id;
const refusal = (code: string) => expect.objectContaining({ code });
const stateOf = async (caller: Caller, id: string) =>
  (await listApiKeys(ports, { limit: 100 }, caller)).api_keys.find(({ api_key_id }) => api_key_id === id)?.state;
const endSession = ({ sessionId }: UserCaller) => base.raw`DELETE FROM sessions WHERE id = ${sessionId}`;

describe('creating a key', () => {
  test('gives it some of its owner’s permissions and ninety days, and stores its secret as a hash', async () => {
    const ada = await signedIn('tokens:issue', 'users:read');
    const { api_key: key, secret } = await create(ada, { permissions: ['users:read', 'tokens:issue', 'users:read'] });
    expect(key).toMatchObject({
      name: 'deploy',
      owner: { kind: 'user', id: ada.userId },
      state: 'live',
      permissions: ['tokens:issue', 'users:read'],
      requests_per_minute: 600,
      signed: false,
      uses: 0,
    });
    expect(Date.parse(key.expires_at) - Date.parse(key.created_at)).toBeCloseTo(90 * 86_400_000, -4);
    const [row] = await base.raw<{ text: string }>`SELECT k::text AS text FROM api_keys k WHERE id = ${key.api_key_id}`;
    expect(row?.text).not.toContain(secret.slice(-20));
  });

  test('with a permission that the caller lacks is rejected', async () =>
    expect(create(await signedIn('users:read'), { permissions: ['users:write'] })).rejects.toEqual(
      refusal('rights_exceeded'),
    ));

  test('with a token that the user granted to another client is rejected: the key would outlive that client', async () => {
    const ada = await signedIn();
    const { clientId } = await client();
    await expect(create({ ...ada, clientId, by: 'bearer' })).rejects.toEqual(refusal('permission_missing'));
  });

  test('is rejected once the caller’s session has ended', async () => {
    const ada = await signedIn();
    const before = changes;
    await endSession(ada);
    await expect(create(ada)).rejects.toEqual(refusal('unauthenticated'));
    expect(await base.raw`SELECT FROM api_keys WHERE user_id = ${ada.userId}`).toEqual([]);
    expect(changes).toBe(before);
  });

  test('is rejected for a client whose tokens were all revoked after this copy loaded it, and for a deleted client', async () => {
    const worker = await client();
    expect((await create(worker)).api_key.owner).toEqual({ kind: 'client', id: worker.clientId });
    await base.raw`UPDATE oauth_clients SET "tokenEpoch" = "tokenEpoch" + 1 WHERE "clientId" = ${worker.clientId}`;
    await expect(create(worker)).rejects.toEqual(refusal('unauthenticated'));
    await expect(create({ ...worker, clientId: 'gone' })).rejects.toEqual(refusal('unauthenticated'));
  });

  test('is rejected beyond fifty keys that are live or were created within a day', async () => {
    const ada = await signedIn();
    const first = await idOf(ada);
    for (let n = 1; n < 50; n += 1) await create(ada);
    await expect(create(ada)).rejects.toEqual(refusal('api_key_too_many'));
    await revokeApiKey(ports, { api_key_id: first }, ada);
    await expect(create(ada), 'a key created today still counts').rejects.toEqual(refusal('api_key_too_many'));
    await base.raw`UPDATE api_keys SET created_at = created_at - interval '2 days' WHERE id = ${first}`;
    await expect(create(ada)).resolves.toBeDefined();
  });

  test.each(['P-256', 'Ed25519'])('binds it to a %s public key', async (kind) => {
    const { publicKey } =
      kind === 'P-256' ? generateKeyPairSync('ec', { namedCurve: 'P-256' }) : generateKeyPairSync('ed25519');
    const jwk = publicKey.export({ format: 'jwk' }) as NonNullable<CreateApiKeyInput['public_key']>;
    expect((await create(await signedIn(), { public_key: jwk })).api_key.signed).toBe(true);
  });

  test('rejects a public key that is not a point on its curve', async () => {
    const zeros = Buffer.alloc(32).toString('base64url');
    await expect(
      create(await signedIn(), { public_key: { kty: 'EC', crv: 'P-256', x: zeros, y: zeros } }),
    ).rejects.toEqual(refusal('api_key_public_key_invalid'));
  });
});

describe('rotating a key', () => {
  test('replaces the old secret after the overlap, and is in the audit log', async () => {
    const ada = await signedIn();
    const made = await create(ada);
    const apiKeyId = made.api_key.api_key_id;
    const rotated = await rotateApiKey(ports, { api_key_id: apiKeyId, overlap_seconds: 60 }, ada);
    expect(rotated.secret).not.toBe(made.secret);
    expect(rotated.api_key).toMatchObject({ api_key_id: apiKeyId, rotated_at: expect.any(String), state: 'live' });
    const { rotated_at, previous_secret_until } = rotated.api_key;
    // One statement reads the clock for both, one after the other.
    const overlapMs = Date.parse(previous_secret_until ?? '') - Date.parse(rotated_at ?? '');
    expect(overlapMs).toBeLessThanOrEqual(60_000);
    expect(overlapMs).toBeGreaterThan(0);
    const events =
      await base.raw`SELECT actor_id FROM audit_outbox WHERE type = 'api_key.rotated' AND target_id = ${apiKeyId}`;
    expect(events).toEqual([{ actor_id: ada.userId }]);
  });

  test('is refused to another user, and to an owner with fewer permissions than the key', async () => {
    const ada = await signedIn('users:read');
    const { api_key } = await create(ada, { permissions: ['users:read'] });
    const input = { api_key_id: api_key.api_key_id };
    await expect(rotateApiKey(ports, input, await signedIn('users:read'))).rejects.toEqual(refusal('api_key_unknown'));
    await expect(rotateApiKey(ports, input, { ...ada, permissions: new Set() })).rejects.toEqual(
      refusal('rights_exceeded'),
    );
    expect((await readApiKey(base.sql, api_key.api_key_id))?.rotated_at).toBeNull();
    const worker = await client('users:read');
    const ofClient = { api_key_id: (await create(worker, { permissions: ['users:read'] })).api_key.api_key_id };
    await expect(rotateApiKey(ports, ofClient, { ...worker, permissions: new Set() })).rejects.toMatchObject({
      code: 'rights_exceeded',
      options: { detail: 'You do not have users:read.' },
    });
  });

  test('is refused for a revoked key', async () => {
    const ada = await signedIn();
    const apiKeyId = await idOf(ada);
    await revokeApiKey(ports, { api_key_id: apiKeyId }, ada);
    await expect(rotateApiKey(ports, { api_key_id: apiKeyId }, ada)).rejects.toEqual(refusal('api_key_over'));
  });
});

describe('revoking a key', () => {
  test('by its owner happens once, is final and notifies this copy', async () => {
    const ada = await signedIn();
    const apiKeyId = await idOf(ada);
    const before = changes;
    await revokeApiKey(ports, { api_key_id: apiKeyId }, ada);
    expect([await stateOf(ada, apiKeyId), changes]).toEqual(['revoked', before + 1]);
    await revokeApiKey(ports, { api_key_id: apiKeyId }, ada);
    const events = await base.raw`SELECT FROM audit_outbox WHERE type = 'api_key.revoked' AND target_id = ${apiKeyId}`;
    expect(events, 'the second time changes nothing').toHaveLength(1);
  });

  test('by another user is rejected as for an unknown key', async () => {
    const apiKeyId = await idOf(await signedIn());
    const other = await signedIn();
    await expect(revokeApiKey(ports, { api_key_id: apiKeyId }, other)).rejects.toEqual(refusal('api_key_unknown'));
    await expect(revokeApiKey(ports, { api_key_id: randomUUID() }, other)).rejects.toEqual(refusal('api_key_unknown'));
    expect((await readApiKey(base.sql, apiKeyId))?.revoked_at).toBeNull();
  });

  test('by an administrator records the reason, and tells the copies', async () => {
    const ada = await signedIn();
    const apiKeyId = await idOf(ada);
    const before = changes;
    const { api_key: view } = await revokeAnyApiKey(
      ports,
      { api_key_id: apiKeyId, reason: 'seen in a log' },
      testCaller,
    );
    expect(view).toMatchObject({ state: 'revoked', revoke_reason: 'seen in a log', revoked_at: expect.any(String) });
    expect(changes).toBe(before + 1);
    await expect(revokeAnyApiKey(ports, { api_key_id: randomUUID(), reason: 'x' }, testCaller)).rejects.toEqual(
      refusal('api_key_unknown'),
    );
  });

  test('is not needed once it has expired, or all sessions of its owner were ended', async () => {
    const ada = await signedIn();
    const [expired, ended] = [await idOf(ada), await idOf(ada)];
    await base.raw`UPDATE api_keys SET expires_at = now() - interval '1 second' WHERE id = ${expired}`;
    await base.raw`UPDATE users SET "tokenEpoch" = "tokenEpoch" + 1 WHERE id = ${ada.userId}`;
    expect([await stateOf(ada, expired), await stateOf(ada, ended)]).toEqual(['expired', 'ended']);
  });

  test('after a takeover ends the keys that the thief created or rotated, and no earlier key', async () => {
    const ada = await signedIn();
    const [old, rotated] = [await idOf(ada), await idOf(ada)];
    const [row] = await base.raw<{ at: string }>`SELECT clock_timestamp()::text AS at`;
    const created = await idOf(ada);
    await rotateApiKey(ports, { api_key_id: rotated }, ada);
    await base.transact((tx) => endKeysSince(tx, ada.userId, row?.at ?? '', 'account_takeover'));
    const reasons = await Promise.all([old, rotated, created].map((id) => readApiKey(base.sql, id)));
    expect(reasons.map((key) => key?.revoke_reason)).toEqual([null, 'account_takeover', 'account_takeover']);
  });
});

describe('the list of keys', () => {
  test('contains the caller’s keys only, newest first, a page at a time', async () => {
    const ada = await signedIn();
    await idOf(await signedIn());
    const ids = [await idOf(ada), await idOf(ada), await idOf(ada)];
    const first = await listApiKeys(ports, { limit: 2 }, ada);
    const rest = await listApiKeys(ports, { limit: 2, cursor: first.next ?? undefined }, ada);
    expect([...first.api_keys, ...rest.api_keys].map(({ api_key_id }) => api_key_id)).toEqual([...ids].reverse());
    expect([first.api_keys.length, rest.next]).toEqual([2, null]);
    expect((await listAllApiKeys(ports, { limit: 9, user_id: ada.userId })).api_keys).toHaveLength(3);
  });

  test('rejects a cursor that it did not issue', async () => {
    const ada = await signedIn();
    await expect(listApiKeys(ports, { limit: 2, cursor: 'made-up' }, ada)).rejects.toEqual(refusal('cursor_invalid'));
  });
});
