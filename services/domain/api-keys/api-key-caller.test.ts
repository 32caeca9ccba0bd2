import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { beforeEach, describe, expect, test } from 'vitest';
import type { AccessDirectory } from '../access/access-directory.ts';
import type { Clock, RequestContext, Sql } from '../ports.ts';
import type { RevocationSet } from '../tokens/revocations/revocation-set.ts';
import { recogniseApiKey } from './api-key-caller.ts';
import { type ApiKeyDirectory, createApiKeyDirectory } from './api-key-directory.ts';
import { newApiKeySecret } from './api-key-format.ts';
import type { LiveKeyRow } from './api-keys.store.ts';

const ids = ['0192f0c1-2b3c-7d4e-8f50-61728394a5b6', '0192f0c1-2b3c-7d4e-8f50-61728394a5b7'] as const;
const random = { bytes: (count: number) => randomBytes(count), uuid: () => ids[0] };
const now = newApiKeySecret(random, ids[0]);
const before = newApiKeySecret(random, ids[0]);
const request: RequestContext = { ip: '', userAgent: '', traceId: '', traceparent: '' };

const row = (changes: Partial<LiveKeyRow> = {}): LiveKeyRow => ({
  id: ids[0],
  userId: 'ada',
  clientId: null,
  ownerEpoch: 3,
  permissions: ['keys:read', 'tokens:read'],
  secretHash: now.hash,
  previousHash: null,
  previousUntilMs: null,
  publicKey: null,
  requestsPerMinute: 10,
  expiresAtMs: 2_000,
  isRevoked: false,
  roles: ['operator'],
  isOwnerDisabled: false,
  currentEpoch: 3,
  ...changes,
});

/** A database of rows: what it holds, and at which version. */
const state = { incarnation: 'one', version: 1, rows: [] as LiveKeyRow[], isDown: false };
const asked: number[] = [];
const sql: Sql = {
  query: async ({ name }, values) => {
    if (state.isDown) throw new Error('down');
    if (name === 'apiKeyStateRead') return [{ incarnation: state.incarnation, version: state.version }] as never;
    asked.push(Number(values?.[0]));
    return state.rows as never;
  },
};
const time = { wall: 1_000, monotonic: 0 };
const clock: Clock = { now: () => time.wall, monotonic: () => time.monotonic };
const revoked = { epoch: undefined as number | undefined, refusal: null as 'state_rewound' | null, isClockRight: true };
const svc = { clientId: 'svc', disabled: false, credentialScopes: ['keys:read'], tokenEpoch: 0, origin: 'admin' };
const clients = new Map<string, typeof svc>();

let apiKeys: ApiKeyDirectory;
const recognise = (text: string) =>
  recogniseApiKey(
    {
      apiKeys,
      access: {
        permissionsOf: (roles: readonly string[]) =>
          new Set(roles.includes('operator') ? ['keys:read', 'queues:manage'] : []),
        client: (id: string) => clients.get(id),
      } as unknown as AccessDirectory,
      keyRing: { isClockRight: () => revoked.isClockRight },
      revocations: { userEpoch: () => revoked.epoch, refusal: () => revoked.refusal } as unknown as RevocationSet,
    },
    text,
    request,
  );

async function hold(...rows: LiveKeyRow[]): Promise<void> {
  state.rows = rows;
  state.version += 1;
  await apiKeys.load();
  apiKeys.confirm(state.version, time.monotonic);
}

beforeEach(() => {
  Object.assign(state, { incarnation: 'one', version: 1, rows: [], isDown: false });
  Object.assign(time, { wall: 1_000, monotonic: 0 });
  Object.assign(revoked, { epoch: undefined, refusal: null, isClockRight: true });
  asked.length = 0;
  clients.set('svc', svc);
  apiKeys = createApiKeyDirectory({ sql, clock }, 2_000);
});

describe('who a key speaks for', () => {
  test('its user, with those of its permissions that the user has now, and no fresh login', async () => {
    await hold(row());
    expect(recognise(now.text)).toMatchObject({
      key: { id: ids[0] },
      caller: {
        kind: 'user',
        userId: 'ada',
        by: 'api_key',
        permissions: new Set(['keys:read']),
        authTime: 0,
        roles: ['operator'],
      },
    });
    await hold(row({ roles: [] }));
    expect(recognise(now.text)?.caller).toMatchObject({ permissions: new Set() });
  });

  test('its client, with those that the client may hold', async () => {
    await hold(row({ userId: null, clientId: 'svc', ownerEpoch: 0 }));
    expect(recognise(now.text)?.caller).toMatchObject({
      kind: 'client',
      clientId: 'svc',
      by: 'api_key',
      permissions: new Set(['keys:read']),
      isVetted: true,
    });
    clients.set('svc', { ...svc, origin: 'self' });
    expect(recognise(now.text)?.caller).toMatchObject({ clientId: 'svc', isVetted: false });
  });

  test.each<[string, Partial<LiveKeyRow>]>([
    ['a disabled user', { isOwnerDisabled: true }],
    ['a user cut off since', { currentEpoch: 4 }],
    ['a client cut off since', { userId: null, clientId: 'svc', ownerEpoch: -1 }],
    ['an unknown client', { userId: null, clientId: 'gone' }],
    ['nobody any more', { userId: null, clientId: null }],
    ['an expired key', { expiresAtMs: 1_000 }],
    ['a revoked key', { isRevoked: true }],
    ['a key of another secret', { secretHash: randomBytes(32) }],
  ])('%s: nobody', async (_name, changes) => {
    await hold(row(changes));
    expect(recognise(now.text)).toBeNull();
  });

  test('nobody, of a disabled client and of a user whom the feed has cut off already', async () => {
    await hold(row({ userId: null, clientId: 'svc', ownerEpoch: 0 }));
    clients.get('svc')!.disabled = true;
    expect(recognise(now.text)).toBeNull();
    clients.get('svc')!.disabled = false;
    await hold(row());
    revoked.epoch = 4;
    expect(recognise(now.text)).toBeNull();
    revoked.epoch = 3;
    expect(recognise(now.text)).not.toBeNull();
  });

  test('nobody, of text that is no key and of a key that is not there', async () => {
    await hold(row());
    expect(recognise('sp_ak_nonsense')).toBeNull();
    expect(recognise(newApiKeySecret(random, ids[1]).text)).toBeNull();
    expect(recognise(before.text)).toBeNull();
  });

  test('the secret before is good for the overlap, to the millisecond', async () => {
    await hold(row({ previousHash: before.hash, previousUntilMs: 1_500 }));
    time.wall = 1_499;
    expect(recognise(before.text)).not.toBeNull();
    time.wall = 1_500;
    expect(recognise(before.text)).toBeNull();
    expect(recognise(now.text)).not.toBeNull();
    await hold(row({ previousHash: before.hash, previousUntilMs: null }));
    expect(recognise(before.text)).toBeNull();
  });
});

describe('what is held in memory', () => {
  test('is believed within the bound of the last poll that saw its version, and not beyond', async () => {
    await hold(row());
    time.monotonic = 2_000;
    expect(recognise(now.text)).not.toBeNull();
    time.monotonic = 2_001;
    expect(() => recognise(now.text)).toThrow('api_keys_stale');
    apiKeys.confirm(state.version + 1, 2_001);
    expect(() => recognise(now.text)).toThrow('api_keys_stale');
    apiKeys.confirm(state.version, 2_001);
    expect(recognise(now.text)).not.toBeNull();
  });

  test('is not believed before the first poll, nor while revocations are not', async () => {
    state.rows = [row()];
    await apiKeys.load();
    expect(() => recognise(now.text)).toThrow('api_keys_stale');
    await hold(row());
    revoked.refusal = 'state_rewound';
    expect(() => recognise(now.text)).toThrow('state_rewound');
  });

  test('is not believed by a copy whose clock is wrong: it cannot tell whether the key has expired', async () => {
    await hold(row());
    revoked.isClockRight = false;
    expect(() => recognise(now.text)).toThrow('clock_wrong');
  });

  test('is read from where it was read to; all of it again in another history', async () => {
    await hold(row());
    await hold(row({ id: ids[1] }));
    expect(recognise(now.text)).not.toBeNull();
    state.incarnation = 'two';
    await hold();
    expect(recognise(now.text)).toBeNull();
    state.version = 0;
    await hold(row());
    expect(asked).toEqual([-1, 2, -1, -1]);
  });

  test('survives a load that fails, and the next one goes on', async () => {
    await hold(row());
    state.isDown = true;
    await expect(apiKeys.load()).rejects.toThrow('down');
    state.isDown = false;
    expect(recognise(now.text)).not.toBeNull();
    await hold(row({ isRevoked: true }));
    expect(recognise(now.text)).toBeNull();
  });

  test('lets go of what has expired, a minute after the last look at the latest', async () => {
    await hold(row({ expiresAtMs: 1_500 }), row({ id: ids[1], expiresAtMs: 90_000 }));
    Object.assign(time, { wall: 2_000, monotonic: 59_999 });
    await hold();
    expect(apiKeys.size()).toBe(2);
    time.monotonic = 60_000;
    await hold();
    expect(apiKeys.size()).toBe(1);
  });

  test('holds public keys ready to verify with', async () => {
    const jwk = generateKeyPairSync('ed25519').publicKey.export({ format: 'jwk' });
    await hold(row({ publicKey: jwk }));
    expect(recognise(now.text)?.key.publicKey?.asymmetricKeyType).toBe('ed25519');
  });
});
