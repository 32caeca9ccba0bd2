import { generateKeyPairSync, randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { clientCaller, testCaller, userCaller } from '#testing/harness/ports.ts';
import { type OwnPorts, openTestPorts } from '#testing/harness/stores.ts';
import { type AccessDirectory, createAccessDirectory } from '../access/access-directory.ts';
import { createClient } from '../access/create-client.ts';
import type { Caller } from '../ports.ts';
import { readApiKey } from './api-keys.store.ts';
import { type CreateApiKeyInput, createApiKey } from './create-api-key.ts';
import { endKeysSince } from './end-keys-since.ts';
import { listAllApiKeys, listApiKeys } from './list-api-keys.ts';
import { revokeAnyApiKey, revokeApiKey } from './revoke-api-key.ts';
import { rotateApiKey } from './rotate-api-key.ts';

let base: OwnPorts;
let ports: OwnPorts & { readonly access: AccessDirectory; apiKeysChanged(): void };
let changes = 0;
beforeAll(async () => {
  base = await openTestPorts();
  const access = createAccessDirectory(base);
  ports = {
    ...base,
    access,
    apiKeysChanged: () => {
      changes += 1;
    },
  };
});
afterAll(() => base?.end());

type UserCaller = Caller & { readonly kind: 'user' };

/** Somebody who signed in here, and may do this. */
async function signedIn(...permissions: string[]): Promise<UserCaller> {
  const [userId, sessionId] = [randomUUID(), randomUUID()];
  await base.raw('INSERT INTO users (id, email, name) VALUES ($1, $2, $3)', [userId, `${userId}@keys.test`, 'Ada']);
  await base.raw(
    `INSERT INTO sessions (id, "userId", token, "expiresAt") VALUES ($1, $2, $1, now() + interval '1 hour')`,
    [sessionId, userId],
  );
  return userCaller(userId, { sessionId, permissions: new Set(permissions), by: 'session' });
}

/** A client, as this copy knows it. */
async function client(...permissions: string[]): Promise<Caller & { readonly kind: 'client' }> {
  const made = await createClient(base, { name: 'Worker', grantTypes: ['client_credentials'] }, testCaller);
  await ports.access.load();
  return clientCaller(made.clientId, permissions);
}

const make = (caller: Caller, input: Partial<CreateApiKeyInput> = {}) =>
  createApiKey(ports, { name: 'deploy', ...input }, caller);
const idOf = async (caller: Caller): Promise<string> => (await make(caller)).api_key.api_key_id;
const refusal = (code: string) => expect.objectContaining({ code });
const stateOf = async (caller: Caller, id: string) =>
  (await listApiKeys(ports, { limit: 100 }, caller)).items.find(({ api_key_id }) => api_key_id === id)?.state;
const endSession = ({ sessionId }: UserCaller) => base.raw('DELETE FROM sessions WHERE id = $1', [sessionId]);

describe('a key of one’s own', () => {
  test('may do what its maker may, or less, lives ninety days, and its secret is stored as a hash', async () => {
    const ada = await signedIn('tokens:issue', 'users:read');
    const { api_key: key, secret } = await make(ada, { permissions: ['users:read', 'tokens:issue', 'users:read'] });
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
    const [row] = await base.raw<{ text: string }>('SELECT k::text AS text FROM api_keys k WHERE id = $1', [
      key.api_key_id,
    ]);
    expect(row?.text).not.toContain(secret.slice(-20));
  });

  test('may not do what its maker may not', async () => {
    await expect(make(await signedIn('users:read'), { permissions: ['users:write'] })).rejects.toEqual(
      refusal('rights_exceeded'),
    );
  });

  test('is not made by a token that a user gave to another client: the key would outlive that client', async () => {
    const ada = await signedIn();
    const { clientId } = await client();
    await expect(make({ ...ada, clientId, by: 'bearer' })).rejects.toEqual(refusal('permission_missing'));
  });

  test('is not made once the login of its maker has ended', async () => {
    const ada = await signedIn();
    const before = changes;
    await endSession(ada);
    await expect(make(ada)).rejects.toEqual(refusal('unauthenticated'));
    expect(await base.raw('SELECT FROM api_keys WHERE user_id = $1', [ada.userId])).toEqual([]);
    expect(changes).toBe(before);
  });

  test('is not made by a client whose every token ended after this copy knew it, nor by one that is gone', async () => {
    const worker = await client();
    expect((await make(worker)).api_key.owner).toEqual({ kind: 'client', id: worker.clientId });
    await base.raw('UPDATE oauth_clients SET "tokenEpoch" = "tokenEpoch" + 1 WHERE "clientId" = $1', [worker.clientId]);
    await expect(make(worker)).rejects.toEqual(refusal('unauthenticated'));
    await expect(make({ ...worker, clientId: 'gone' })).rejects.toEqual(refusal('unauthenticated'));
  });

  test('is the fiftieth at most of those that live or were made within a day', async () => {
    const ada = await signedIn();
    const first = await idOf(ada);
    for (let n = 1; n < 50; n += 1) await make(ada);
    await expect(make(ada)).rejects.toEqual(refusal('api_key_too_many'));
    await revokeApiKey(ports, { apiKeyId: first }, ada);
    await expect(make(ada), 'made today, it still counts').rejects.toEqual(refusal('api_key_too_many'));
    await base.raw(`UPDATE api_keys SET created_at = created_at - interval '2 days' WHERE id = $1`, [first]);
    await expect(make(ada)).resolves.toBeDefined();
  });

  test.each(['P-256', 'Ed25519'])('is bound to a public key of %s', async (kind) => {
    const { publicKey } =
      kind === 'P-256' ? generateKeyPairSync('ec', { namedCurve: 'P-256' }) : generateKeyPairSync('ed25519');
    const jwk = publicKey.export({ format: 'jwk' }) as NonNullable<CreateApiKeyInput['public_key']>;
    expect((await make(await signedIn(), { public_key: jwk })).api_key.signed).toBe(true);
  });

  test('is not bound to a point that is on no curve', async () => {
    const zeros = Buffer.alloc(32).toString('base64url');
    await expect(
      make(await signedIn(), { public_key: { kty: 'EC', crv: 'P-256', x: zeros, y: zeros } }),
    ).rejects.toEqual(refusal('api_key_public_key_invalid'));
  });
});

describe('another secret', () => {
  test('replaces the one before after the overlap, and the audit log tells of it', async () => {
    const ada = await signedIn();
    const made = await make(ada);
    const apiKeyId = made.api_key.api_key_id;
    const rotated = await rotateApiKey(ports, { apiKeyId, overlapSeconds: 60 }, ada);
    expect(rotated.secret).not.toBe(made.secret);
    expect(rotated.api_key).toMatchObject({ api_key_id: apiKeyId, rotated_at: expect.any(String), state: 'live' });
    const { rotated_at, previous_secret_until } = rotated.api_key;
    // Both are said by one statement, one after the other.
    const overlapMs = Date.parse(previous_secret_until ?? '') - Date.parse(rotated_at ?? '');
    expect(overlapMs).toBeLessThanOrEqual(60_000);
    expect(overlapMs).toBeGreaterThan(0);
    const told = await base.raw(`SELECT actor_id FROM audit_outbox WHERE type = 'api_key.rotated' AND target_id = $1`, [
      apiKeyId,
    ]);
    expect(told).toEqual([{ actor_id: ada.userId }]);
  });

  test('is not given to somebody else, nor to an owner who may less than the key', async () => {
    const ada = await signedIn('users:read');
    const { api_key } = await make(ada, { permissions: ['users:read'] });
    const input = { apiKeyId: api_key.api_key_id };
    await expect(rotateApiKey(ports, input, await signedIn('users:read'))).rejects.toEqual(refusal('api_key_unknown'));
    await expect(rotateApiKey(ports, input, { ...ada, permissions: new Set() })).rejects.toEqual(
      refusal('rights_exceeded'),
    );
    expect((await readApiKey(base.sql, api_key.api_key_id))?.rotatedAt).toBeNull();
  });

  test('is given to no key that was revoked', async () => {
    const ada = await signedIn();
    const apiKeyId = await idOf(ada);
    await revokeApiKey(ports, { apiKeyId }, ada);
    await expect(rotateApiKey(ports, { apiKeyId }, ada)).rejects.toEqual(refusal('api_key_over'));
  });
});

describe('the end of a key', () => {
  test('comes at its owner’s word, once and for good, told to this copy', async () => {
    const ada = await signedIn();
    const apiKeyId = await idOf(ada);
    const before = changes;
    await revokeApiKey(ports, { apiKeyId }, ada);
    expect([await stateOf(ada, apiKeyId), changes]).toEqual(['revoked', before + 1]);
    await revokeApiKey(ports, { apiKeyId }, ada);
    const told = await base.raw(`SELECT FROM audit_outbox WHERE type = 'api_key.revoked' AND target_id = $1`, [
      apiKeyId,
    ]);
    expect(told, 'again, nothing is new').toHaveLength(1);
  });

  test('is nobody else’s to bring about: it is as unknown as none', async () => {
    const apiKeyId = await idOf(await signedIn());
    const other = await signedIn();
    await expect(revokeApiKey(ports, { apiKeyId }, other)).rejects.toEqual(refusal('api_key_unknown'));
    await expect(revokeApiKey(ports, { apiKeyId: randomUUID() }, other)).rejects.toEqual(refusal('api_key_unknown'));
    expect((await readApiKey(base.sql, apiKeyId))?.revokedAt).toBeNull();
  });

  test('comes at an administrator’s word, with the reason', async () => {
    const ada = await signedIn();
    const apiKeyId = await idOf(ada);
    const view = await revokeAnyApiKey(ports, { apiKeyId, reason: 'seen in a log' }, testCaller);
    expect(view).toMatchObject({ state: 'revoked', revoke_reason: 'seen in a log', revoked_at: expect.any(String) });
    await expect(revokeAnyApiKey(ports, { apiKeyId: randomUUID(), reason: 'x' }, testCaller)).rejects.toEqual(
      refusal('api_key_unknown'),
    );
  });

  test('comes with its time, and with the end of every login of its owner', async () => {
    const ada = await signedIn();
    const [expired, ended] = [await idOf(ada), await idOf(ada)];
    await base.raw(`UPDATE api_keys SET expires_at = now() - interval '1 second' WHERE id = $1`, [expired]);
    await base.raw('UPDATE users SET "tokenEpoch" = "tokenEpoch" + 1 WHERE id = $1', [ada.userId]);
    expect([await stateOf(ada, expired), await stateOf(ada, ended)]).toEqual(['expired', 'ended']);
  });

  test('comes with what a thief made or rotated since a login, and with nothing from before', async () => {
    const ada = await signedIn();
    const [old, rotated] = [await idOf(ada), await idOf(ada)];
    const [row] = await base.raw<{ at: string }>('SELECT clock_timestamp()::text AS at');
    const made = await idOf(ada);
    await rotateApiKey(ports, { apiKeyId: rotated }, ada);
    await base.transact((tx) => endKeysSince(tx, ada.userId, row?.at ?? '', 'account_takeover'));
    const reasons = await Promise.all([old, rotated, made].map((id) => readApiKey(base.sql, id)));
    expect(reasons.map((key) => key?.revokeReason)).toEqual([null, 'account_takeover', 'account_takeover']);
  });
});

describe('the list of keys', () => {
  test('is one’s own alone, newest first, a page at a time', async () => {
    const ada = await signedIn();
    await idOf(await signedIn());
    const ids = [await idOf(ada), await idOf(ada), await idOf(ada)];
    const first = await listApiKeys(ports, { limit: 2 }, ada);
    const rest = await listApiKeys(ports, { limit: 2, cursor: first.next ?? undefined }, ada);
    expect([...first.items, ...rest.items].map(({ api_key_id }) => api_key_id)).toEqual([...ids].reverse());
    expect([first.items.length, rest.next]).toEqual([2, null]);
    expect((await listAllApiKeys(ports, { limit: 9, user_id: ada.userId })).items).toHaveLength(3);
  });

  test('takes no cursor of another', async () => {
    const ada = await signedIn();
    await expect(listApiKeys(ports, { limit: 2, cursor: 'made-up' }, ada)).rejects.toEqual(refusal('cursor_invalid'));
  });
});
