import { randomUUID } from 'node:crypto';
import { afterEach, describe, expect, test, vi } from 'vitest';
import { clientCaller, testCaller } from '#tools/testing/harness/ports.ts';
import { openTestPorts } from '#tools/testing/harness/stores.ts';
import { made, opened } from '#tools/testing/opened.ts';
import { createAccessDirectory } from '../access/access-directory.ts';
import { createClient } from '../access/create-client.ts';
import type { Caller } from '../ports.ts';
import { createApiKeyUses } from './api-key-uses.ts';
import { readApiKey } from './api-keys.store.ts';
import { createApiKey, createApiKeyFor } from './create-api-key.ts';
import { listAllApiKeys, listApiKeys } from './list-api-keys.ts';
import { revokeApiKey } from './revoke-api-key.ts';
import { rotateAnyApiKey, rotateApiKey } from './rotate-api-key.ts';

type SystemCaller = Caller & { readonly kind: 'system' };
const system = testCaller as SystemCaller;

const base = opened(() => openTestPorts());
let changes = 0;
let warnings: string[] = [];
const ports = made(() => ({
  ...base,
  log: { ...base.log, warn: (_fields: object, message: string) => warnings.push(message) },
  access: createAccessDirectory(base),
  apiKeysChanged: () => {
    changes += 1;
  },
}));
afterEach(() => {
  vi.useRealTimers();
  changes = 0;
  warnings = [];
});

const newUser = async (): Promise<string> => {
  const id = randomUUID();
  await base.raw`INSERT INTO users (id, email, name) VALUES (${id}, ${`${id}@example.test`}, 'Ada')`;
  return id;
};
const newClient = async (): Promise<string> =>
  (await createClient(base, { name: 'Worker', grant_types: ['client_credentials'] }, testCaller)).clientId;
const clientCalling = (clientId: string, by: 'secret' | 'api_key'): Caller => ({ ...clientCaller(clientId), by });
const keyFor = (kind: 'user' | 'client', id: string) =>
  createApiKeyFor(ports, { name: 'deploy', owner: { kind, id }, reason: 'asked for' }, system);
const unknown = { code: 'api_key_unknown' };
const ended = { code: 'api_key_over' };
const notAccepted = { code: 'api_key_not_accepted' };

describe('a key that the installation manages for an owner', () => {
  test('is not created for a disabled or deleted owner', async () => {
    const id = await newUser();
    await base.raw`UPDATE users SET "disabledAt" = now() WHERE id = ${id}`;
    await expect(keyFor('user', id)).rejects.toMatchObject(ended);
    await expect(keyFor('client', randomUUID())).rejects.toMatchObject(ended);
    expect(await base.raw`SELECT 1 FROM api_keys WHERE user_id = ${id}`).toEqual([]);
    expect(changes).toBe(0);
  });

  test('is rotated as by its owner, and the audit log says who did it and why', async () => {
    const { api_key: made, secret } = await keyFor('user', await newUser());
    const input = { api_key_id: made.api_key_id, reason: 'seen in a log' };
    const rotated = await rotateAnyApiKey(ports, input, system);
    expect(rotated.api_key).toMatchObject({ api_key_id: made.api_key_id, owner: made.owner, state: 'live' });
    expect(rotated.secret).not.toBe(secret);
    expect(changes).toBe(2);
    const events = await base.raw`SELECT actor_kind, actor_id, detail->>'reason' AS reason FROM audit_outbox
      WHERE type = 'api_key.rotated' AND target_id = ${made.api_key_id}`;
    expect(events).toEqual([{ actor_kind: 'system', actor_id: 'test', reason: 'seen in a log' }]);
  });

  test('is not rotated when it is unknown or revoked, or its owner is deleted or disabled', async () => {
    const rotate = (apiKeyId: string) => rotateAnyApiKey(ports, { api_key_id: apiKeyId, reason: 'r' }, system);
    await expect(rotate(randomUUID())).rejects.toMatchObject(unknown);
    const [gone, disabled, revoked] = await Promise.all(
      ['a', 'b', 'c'].map(async () => {
        const owner = await newUser();
        return { owner, id: (await keyFor('user', owner)).api_key.api_key_id };
      }),
    );
    await base.raw`DELETE FROM users WHERE id = ${gone!.owner}`;
    await base.raw`UPDATE users SET "disabledAt" = now() WHERE id = ${disabled!.owner}`;
    await base.raw`UPDATE api_keys SET revoked_at = now(), revoke_reason = 'r' WHERE id = ${revoked!.id}`;
    for (const key of [gone, disabled, revoked]) await expect(rotate(key!.id)).rejects.toMatchObject(ended);
    const rows = await Promise.all([gone, disabled, revoked].map((key) => readApiKey(base.sql, key!.id)));
    expect(rows.map((row) => row?.rotated_at)).toEqual([null, null, null]);
  });
});

describe('the caller', () => {
  test('with a client’s key lists the client’s keys, and creates, rotates and revokes none', async () => {
    const clientId = await newClient();
    const { api_key: key } = await keyFor('client', clientId);
    const caller = clientCalling(clientId, 'api_key');
    const apiKeyId = key.api_key_id;
    await expect(createApiKey(ports, { name: 'child' }, caller)).rejects.toMatchObject(notAccepted);
    expect(() => rotateApiKey(ports, { api_key_id: apiKeyId }, caller)).toThrow(expect.objectContaining(notAccepted));
    await expect(revokeApiKey(ports, { api_key_id: apiKeyId }, caller)).rejects.toMatchObject(notAccepted);
    expect((await listApiKeys(ports, { limit: 9 }, caller)).api_keys).toEqual([key]);
  });

  test('that is anonymous or the system owns no keys', async () => {
    for (const caller of [{ kind: 'anonymous', request: testCaller.request } as const, system])
      await expect(listApiKeys(ports, { limit: 9 }, caller)).rejects.toMatchObject(notAccepted);
  });

  test('that filters by client gets that client’s keys only', async () => {
    const clientId = await newClient();
    const { api_key: key } = await keyFor('client', clientId);
    await keyFor('client', await newClient());
    await keyFor('user', await newUser());
    expect(await listAllApiKeys(ports, { limit: 9, client_id: clientId })).toEqual({ api_keys: [key], next: null });
    const all = await listAllApiKeys(ports, { limit: 100 });
    expect(all.api_keys.length).toBeGreaterThanOrEqual(3);
  });
});

describe('the last use', () => {
  const usesOf = async (id: string): Promise<number | undefined> => (await readApiKey(base.sql, id))?.uses;

  test('is written every ten seconds, once for all uses of a key', async () => {
    vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] });
    const { api_key: key } = await keyFor('user', await newUser());
    const uses = createApiKeyUses(ports);
    uses.start();
    uses.add(key.api_key_id);
    uses.add(key.api_key_id);
    vi.advanceTimersByTime(9_999);
    expect(await usesOf(key.api_key_id)).toBe(0);
    vi.advanceTimersByTime(1);
    await expect.poll(() => usesOf(key.api_key_id)).toBe(2);
    await uses.close();
    expect(await usesOf(key.api_key_id)).toBe(2);
  });

  test('is kept when writing fails, logged once, and written with later uses', async () => {
    const { api_key: key } = await keyFor('user', await newUser());
    const uses = createApiKeyUses(ports);
    uses.add(key.api_key_id);
    await base.raw`ALTER TABLE api_key_uses RENAME TO api_key_uses_away`;
    await uses.write();
    await base.raw`ALTER TABLE api_key_uses_away RENAME TO api_key_uses`;
    expect(warnings).toEqual(['writing the uses of API keys failed; retrying']);
    expect(await usesOf(key.api_key_id)).toBe(0);
    uses.add(key.api_key_id);
    await uses.close();
    expect(await usesOf(key.api_key_id)).toBe(2);
  });
});
