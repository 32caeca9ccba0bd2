import { generateKeyPairSync, randomBytes, sign } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { createRateCounters, type RedisRateCounters } from '#services/platform/limiter/rate-counters.ts';
import { openTestPorts, testRedisUrl } from '#tools/testing/harness/stores.ts';
import { opened } from '#tools/testing/opened.ts';
import type { LimitBucket } from '../limits/buckets.ts';
import { type AdmitPorts, admitApiKey, type KeyedRequest } from './admit-api-key.ts';
import type { LiveApiKey } from './api-key-directory.ts';

const NOW = 1_700_000_000;
const pair = generateKeyPairSync('ed25519');
const TARGET = 'https://auth.test/v1/tokens';

let rateCounters: RedisRateCounters;
let ports: AdmitPorts;
const used: string[] = [];
const base = opened(openTestPorts);
beforeAll(() => {
  const clock = { now: () => NOW * 1_000, monotonic: () => 0 };
  rateCounters = createRateCounters({
    redisUrl: testRedisUrl(),
    onRedisError: () => {},
    clock,
    secret: randomBytes(16).toString('hex'),
  });
  ports = {
    sql: base.sql,
    clock,
    rateCounters,
    limitBuckets: {
      byApiKey: (limit): LimitBucket => ({
        name: 'api-key',
        level: 'client',
        setting: 'LIMIT',
        limit,
        windowSeconds: 60,
        counting: 'here',
        sentEvery: limit,
      }),
    },
    apiKeyUses: { add: (id) => void used.push(id) },
  };
});
afterAll(() => rateCounters?.close());
beforeEach(() => used.splice(0));

const keyWith = (changes: Partial<LiveApiKey> = {}): LiveApiKey => ({
  id: base.random.uuid(),
  user_id: 'ada',
  client_id: null,
  owner_epoch: 0,
  permissions: [],
  secret_hash: randomBytes(32),
  previous_hash: null,
  previous_until_ms: null,
  publicKey: null,
  requests_per_minute: 100,
  expires_at_ms: Number.MAX_SAFE_INTEGER,
  roles: [],
  is_owner_disabled: false,
  current_epoch: 0,
  ...changes,
});
const requestWith = (changes: Partial<KeyedRequest> = {}): KeyedRequest => ({
  method: 'POST',
  targetUri: TARGET,
  header: () => undefined,
  body: undefined,
  permission: 'tokens:issue',
  ...changes,
});

/** A correctly signed request. */
function signed(key: LiveApiKey, nonce: string, method = 'POST'): KeyedRequest {
  const params = `("@method" "@target-uri");created=${NOW};nonce="${nonce}";keyid="${key.id}"`;
  const text = `"@method": POST\n"@target-uri": ${TARGET}\n"@signature-params": ${params}`;
  const signature = sign(null, Buffer.from(text), pair.privateKey).toString('base64');
  const headers: Readonly<Record<string, string>> = { 'signature-input': `s=${params}`, signature: `s=:${signature}:` };
  return requestWith({ method, header: (name) => headers[name] });
}
const newNonce = (): string => randomBytes(16).toString('base64url');

describe('a request by an API key', () => {
  test('counts against the rate limit of its own key, and as a use of the key', async () => {
    const key = keyWith({ requests_per_minute: 7 });
    expect(await admitApiKey(ports, key, requestWith())).toMatchObject({ bucket: { limit: 7 }, count: { used: 1 } });
    expect((await admitApiKey(ports, key, requestWith())).count.used).toBe(2);
    expect((await admitApiKey(ports, keyWith(), requestWith())).count.used, 'another key').toBe(1);
    expect(used.slice(0, 2)).toEqual([key.id, key.id]);
  });

  test('beyond the limit gets 429 with the time to wait, and does not count as a use', async () => {
    const key = keyWith({ requests_per_minute: 1 });
    await admitApiKey(ports, key, requestWith());
    await expect(admitApiKey(ports, key, requestWith())).rejects.toMatchObject({
      code: 'rate_limited',
      options: { retryAfterSeconds: 60, headers: { ratelimit: '"api-key";r=0;t=60' } },
    });
    expect(used).toEqual([key.id]);
  });

  test('can read but not write where an endpoint requires the owner and no permission', async () => {
    const admit = (method: string) => admitApiKey(ports, keyWith(), requestWith({ method, permission: undefined }));
    for (const method of ['POST', 'PUT', 'PATCH', 'DELETE'])
      await expect(admit(method), method).rejects.toMatchObject({ code: 'api_key_not_accepted' });
    expect(used).toEqual([]);
    for (const method of ['GET', 'HEAD', 'OPTIONS']) await expect(admit(method), method).resolves.toBeDefined();
  });
});

describe('a key that is bound to a public key', () => {
  test('is accepted with a signature by that key', async () => {
    const key = keyWith({ publicKey: pair.publicKey });
    await expect(admitApiKey(ports, key, signed(key, newNonce()))).resolves.toMatchObject({ count: { used: 1 } });
    expect(used).toEqual([key.id]);
  });

  test('is rejected when a thief has only its secret', async () => {
    const key = keyWith({ publicKey: pair.publicKey });
    await expect(admitApiKey(ports, key, requestWith())).rejects.toMatchObject({ code: 'api_key_signature_invalid' });
    expect(used).toEqual([]);
  });

  test('replay: an intercepted signed request is rejected the second time', async () => {
    const key = keyWith({ publicKey: pair.publicKey });
    const request = signed(key, newNonce());
    await admitApiKey(ports, key, request);
    await expect(admitApiKey(ports, key, request)).rejects.toMatchObject({
      code: 'api_key_signature_invalid',
      options: { detail: 'The nonce was used before.' },
    });
    expect(used).toEqual([key.id]);
  });

  test('replay: of two concurrent copies of one request only one is accepted', async () => {
    const key = keyWith({ publicKey: pair.publicKey });
    const request = signed(key, newNonce());
    const results = await Promise.allSettled([admitApiKey(ports, key, request), admitApiKey(ports, key, request)]);
    expect(results.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected']);
  });

  test('a forged request uses up no nonce, and each key has its own nonces', async () => {
    const [key, other] = [keyWith({ publicKey: pair.publicKey }), keyWith({ publicKey: pair.publicKey })];
    const nonce = newNonce();
    await expect(admitApiKey(ports, key, signed(key, nonce, 'DELETE'))).rejects.toMatchObject({
      code: 'api_key_signature_invalid',
    });
    await expect(admitApiKey(ports, key, signed(key, nonce))).resolves.toBeDefined();
    await expect(admitApiKey(ports, other, signed(other, nonce))).resolves.toBeDefined();
  });
});
