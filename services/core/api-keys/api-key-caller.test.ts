import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { beforeEach, describe, expect, test } from 'vitest';
import type { AccessDirectory } from '../access/access-directory.ts';
import type { Clock, RequestContext, Sql } from '../ports.ts';
import type { RevocationSet } from '../revocations/revocation-set.ts';
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
  user_id: 'ada',
  client_id: null,
  owner_epoch: 3,
  permissions: ['keys:read', 'tokens:read'],
  secret_hash: now.hash,
  previous_hash: null,
  previous_until_ms: null,
  public_key: null,
  requests_per_minute: 10,
  expires_at_ms: 2_000,
  is_revoked: false,
  roles: ['operator'],
  is_owner_disabled: false,
  current_epoch: 3,
  ...changes,
});

/** A fake database: its rows and its version. */
const state = { incarnation: 'one', version: 1, rows: [] as LiveKeyRow[], isDown: false };
const readSince: number[] = [];
const sql: Sql = {
  query: async ({ name }, values) => {
    if (state.isDown) throw new Error('down');
    if (name === 'apiKeyStateRead') return [{ incarnation: state.incarnation, version: state.version }] as never;
    readSince.push(Number(values?.[0]));
    return state.rows as never;
  },
};
const time = { wall: 1_000, monotonic: 0 };
const clock: Clock = { now: () => time.wall, monotonic: () => time.monotonic };
const revoked = { epoch: undefined as number | undefined, refusal: null as 'state_rewound' | null, isClockRight: true };
const svc = { clientId: 'svc', disabled: false, credential_scopes: ['keys:read'], tokenEpoch: 0, origin: 'admin' };
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

async function load(...rows: LiveKeyRow[]): Promise<void> {
  state.rows = rows;
  state.version += 1;
  await apiKeys.load();
  apiKeys.confirm(state.version, time.monotonic);
}

beforeEach(() => {
  Object.assign(state, { incarnation: 'one', version: 1, rows: [], isDown: false });
  Object.assign(time, { wall: 1_000, monotonic: 0 });
  Object.assign(revoked, { epoch: undefined, refusal: null, isClockRight: true });
  readSince.length = 0;
  clients.set('svc', svc);
  apiKeys = createApiKeyDirectory({ sql, clock }, 2_000);
});

describe('the caller of a key', () => {
  test('is its user, with those of its permissions that the user has now, and no recent sign-in', async () => {
    await load(row());
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
    await load(row({ roles: [] }));
    expect(recognise(now.text)?.caller).toMatchObject({ permissions: new Set() });
  });

  test('is its client, with those of its permissions that the client may have', async () => {
    await load(row({ user_id: null, client_id: 'svc', owner_epoch: 0 }));
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
    ['a disabled user', { is_owner_disabled: true }],
    ['a user with a newer epoch', { current_epoch: 4 }],
    ['a client with a newer epoch', { user_id: null, client_id: 'svc', owner_epoch: -1 }],
    ['an unknown client', { user_id: null, client_id: 'gone' }],
    ['no owner', { user_id: null, client_id: null }],
    ['an expired key', { expires_at_ms: 1_000 }],
    ['a revoked key', { is_revoked: true }],
    ['a key with another secret', { secret_hash: randomBytes(32) }],
  ])('is null for %s', async (_name, changes) => {
    await load(row(changes));
    expect(recognise(now.text)).toBeNull();
  });

  test('is null for a disabled client, and for a user whose new epoch only the revocation feed knows', async () => {
    await load(row({ user_id: null, client_id: 'svc', owner_epoch: 0 }));
    clients.get('svc')!.disabled = true;
    expect(recognise(now.text)).toBeNull();
    clients.get('svc')!.disabled = false;
    await load(row());
    revoked.epoch = 4;
    expect(recognise(now.text)).toBeNull();
    revoked.epoch = 3;
    expect(recognise(now.text)).not.toBeNull();
  });

  test('is null for text that is no key, and for an unknown key', async () => {
    await load(row());
    expect(recognise('sp_ak_nonsense')).toBeNull();
    expect(recognise(newApiKeySecret(random, ids[1]).text)).toBeNull();
    expect(recognise(before.text)).toBeNull();
  });

  test('accepts the previous secret for the overlap, to the millisecond', async () => {
    await load(row({ previous_hash: before.hash, previous_until_ms: 1_500 }));
    time.wall = 1_499;
    expect(recognise(before.text)).not.toBeNull();
    time.wall = 1_500;
    expect(recognise(before.text)).toBeNull();
    expect(recognise(now.text)).not.toBeNull();
    await load(row({ previous_hash: before.hash, previous_until_ms: null }));
    expect(recognise(before.text)).toBeNull();
  });
});

describe('the directory in memory', () => {
  test('is used until the staleness bound after the last poll that saw its version', async () => {
    await load(row());
    time.monotonic = 2_000;
    expect(recognise(now.text)).not.toBeNull();
    time.monotonic = 2_001;
    expect(() => recognise(now.text)).toThrow('api_keys_stale');
    apiKeys.confirm(state.version + 1, 2_001);
    expect(() => recognise(now.text)).toThrow('api_keys_stale');
    apiKeys.confirm(state.version, 2_001);
    expect(recognise(now.text)).not.toBeNull();
  });

  test('is not used before the first poll, nor while revocations may be outdated', async () => {
    state.rows = [row()];
    await apiKeys.load();
    expect(() => recognise(now.text)).toThrow('api_keys_stale');
    await load(row());
    revoked.refusal = 'state_rewound';
    expect(() => recognise(now.text)).toThrow('state_rewound');
  });

  test('is not used by a copy with a wrong clock, which cannot know whether the key has expired', async () => {
    await load(row());
    revoked.isClockRight = false;
    expect(() => recognise(now.text)).toThrow('clock_wrong');
  });

  test('is read from its last version on, and completely when the database has another history', async () => {
    await load(row());
    await load(row({ id: ids[1] }));
    expect(recognise(now.text)).not.toBeNull();
    state.incarnation = 'two';
    await load();
    expect(recognise(now.text)).toBeNull();
    state.version = 0;
    await load(row());
    expect(readSince).toEqual([-1, 2, -1, -1]);
  });

  test('survives a load that fails, and the next load continues', async () => {
    await load(row());
    state.isDown = true;
    await expect(apiKeys.load()).rejects.toThrow('down');
    state.isDown = false;
    expect(recognise(now.text)).not.toBeNull();
    await load(row({ is_revoked: true }));
    expect(recognise(now.text)).toBeNull();
  });

  test('removes expired keys at most a minute after the last sweep', async () => {
    await load(row({ expires_at_ms: 1_500 }), row({ id: ids[1], expires_at_ms: 90_000 }));
    Object.assign(time, { wall: 2_000, monotonic: 59_999 });
    await load();
    expect(apiKeys.size()).toBe(2);
    time.monotonic = 60_000;
    await load();
    expect(apiKeys.size()).toBe(1);
  });

  test('contains public keys ready for verification', async () => {
    const jwk = generateKeyPairSync('ed25519').publicKey.export({ format: 'jwk' });
    await load(row({ public_key: jwk }));
    expect(recognise(now.text)?.key.publicKey?.asymmetricKeyType).toBe('ed25519');
  });
});
