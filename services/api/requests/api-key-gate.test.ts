import { generateKeyPairSync, hash, randomBytes, sign } from 'node:crypto';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { beforeEach, describe, expect, test } from 'vitest';
import type { LiveApiKey } from '#services/core/api-keys/api-key-directory.ts';
import { newApiKeySecret } from '#services/core/api-keys/api-key-format.ts';
import type { Caller } from '#services/core/ports.ts';
import { systemRandom } from '#services/platform/crypto/system.ts';
import type { Endpoint } from '#services/platform/define/endpoint.ts';
import { testCaller } from '#tools/testing/harness/ports.ts';
import { rejectsAll } from '../route-harness.ts';
import { type ApiKeyGatePorts, createApiKeyGate } from './api-key-gate.ts';
import { createCallerResolver } from './caller.ts';
import { keepRawBody } from './raw-body.ts';

const NOW = 1_700_000_000;
const pair = generateKeyPairSync('ed25519');
const id = systemRandom.uuid();
const secret = newApiKeySecret(systemRandom, id);
const bucket = {
  name: 'api-key',
  level: 'client',
  setting: 'LIMIT',
  limit: 5,
  windowSeconds: 60,
  counting: 'here',
  sentEvery: 1,
} as const;

let key: LiveApiKey;
let counted: number;
beforeEach(() => {
  counted = 0;
  key = {
    id,
    user_id: 'ada',
    client_id: null,
    owner_epoch: 0,
    permissions: ['keys:read'],
    secret_hash: secret.hash,
    previous_hash: null,
    previous_until_ms: null,
    publicKey: null,
    requests_per_minute: 5,
    expires_at_ms: Number.MAX_SAFE_INTEGER,
    roles: ['operator'],
    is_owner_disabled: false,
    current_epoch: 0,
  };
});

const ports = {
  apiKeys: { isFresh: () => true, authenticate: (sent: { id: string }) => (sent.id === id ? key : null) },
  access: { permissionsOf: () => new Set(['keys:read']) },
  revocations: { userEpoch: () => undefined, refusal: () => null },
  keyRing: { isClockRight: () => true },
  clock: { now: () => NOW * 1_000, monotonic: () => 0 },
  sql: { query: async () => [{}] },
  rateCounters: {
    countHere: () => {
      counted += 1;
      return { used: counted, resetMs: 60_000 };
    },
  },
  limitBuckets: { byApiKey: () => bucket },
  apiKeyUses: { add: () => {} },
  publicUrl: 'https://auth.test',
} as unknown as ApiKeyGatePorts;

const tokenOwner: Caller = { kind: 'anonymous', request: testCaller.request };
const gate = createApiKeyGate(ports);
const callers = gate.guard(
  createCallerResolver(
    gate.withKeys({
      ...rejectsAll,
      bearer: (token) => (token === 'a-token' ? tokenOwner : null),
      csrfPasses: () => true,
    }),
  ),
);
const endpointWith = (permission?: string): Endpoint =>
  ({
    auth: { accepts: ['bearer'], for: 'anyone', ...(permission === undefined ? {} : { permission }) },
  }) as unknown as Endpoint;
const resolve = (request: FastifyRequest, endpoint = endpointWith('keys:read')) =>
  callers.forEndpoint(endpoint)(request);

type Sent = { readonly token?: string; readonly headers?: Record<string, string>; readonly bytes?: Buffer };

/** A request that no limit has counted yet, and the headers that its answer will have. */
function asked({ token = secret.text, headers = {}, bytes }: Sent = {}) {
  const answered: Record<string, string> = {};
  const reply = { headers: (more: object) => Object.assign(answered, more) } as unknown as FastifyReply;
  const request = {
    method: 'POST',
    url: '/v1/keys?a=b',
    originalUrl: '/v1/keys?a=b',
    headers: { host: 'attacker.test', authorization: `Bearer ${token}`, ...headers },
    body: bytes === undefined ? undefined : {},
    identified: null,
    admission: { held: { counted: [], isClientCounted: false }, rateClass: 'write', reply },
  } as unknown as FastifyRequest;
  if (bytes !== undefined) keepRawBody(request, bytes, false);
  return { request, answered };
}

/** Headers of a signature over these bytes, for a request to this address. */
function signedHeaders(bytes: Buffer, target = 'https://auth.test/v1/keys?a=b'): Record<string, string> {
  const digest = `sha-256=:${hash('sha256', bytes, 'base64')}:`;
  const nonce = randomBytes(16).toString('base64url');
  const params = `("@method" "@target-uri" "content-digest");created=${NOW};nonce="${nonce}";keyid="${id}"`;
  const lines = ['"@method": POST', `"@target-uri": ${target}`, `"content-digest": ${digest}`];
  const text = [...lines, `"@signature-params": ${params}`].join('\n');
  const signature = sign(null, Buffer.from(text), pair.privateKey).toString('base64');
  return { 'content-digest': digest, 'signature-input': `s=${params}`, signature: `s=:${signature}:` };
}

describe('a request with an API key', () => {
  test('acts for the key’s owner, is counted in the key’s limit, and is answered with what is left of it', async () => {
    const { request, answered } = asked();
    expect(await resolve(request)).toMatchObject({ kind: 'user', userId: 'ada', by: 'api_key' });
    expect(answered).toMatchObject({ ratelimit: '"api-key";r=4;t=60' });
    expect(request.admission?.held.counted).toHaveLength(1);
  });

  test('is counted where nothing else is limited', async () => {
    const { request } = asked();
    request.admission = null;
    await expect(resolve(request)).resolves.toMatchObject({ by: 'api_key' });
    expect(counted).toBe(1);
  });

  test('is refused beyond its limit', async () => {
    counted = 5;
    await expect(resolve(asked().request)).rejects.toMatchObject({ code: 'rate_limited' });
  });

  test('changes nothing where the endpoint needs an authenticated owner and no permission', () =>
    expect(resolve(asked().request, endpointWith())).rejects.toMatchObject({ code: 'api_key_not_accepted' }));

  test('with an unknown key is anonymous and counts in no key’s limit', async () => {
    const other = newApiKeySecret(systemRandom, systemRandom.uuid());
    await expect(resolve(asked({ token: other.text }).request)).rejects.toMatchObject({ code: 'unauthenticated' });
    expect(counted).toBe(0);
  });
});

test('with a token is authenticated as before: the gate applies only to keys', async () => {
  expect(await resolve(asked({ token: 'a-token' }).request, endpointWith())).toBe(tokenOwner);
  expect(counted).toBe(0);
});

test('to a public endpoint is not checked for keys', async () => {
  const open = { auth: 'public' } as unknown as Endpoint;
  expect(await resolve(asked().request, open)).toMatchObject({ kind: 'anonymous' });
  expect(counted).toBe(0);
});

describe('a key that is bound to a public key', () => {
  const bytes = Buffer.from('{"name": "a"}');
  const refused = { code: 'api_key_signature_invalid' };
  beforeEach(() => {
    key = { ...key, publicKey: pair.publicKey };
  });

  test('is accepted with a signature over the bytes as sent and our own address, not the Host header', async () => {
    await expect(resolve(asked({ headers: signedHeaders(bytes), bytes }).request)).resolves.toMatchObject({
      by: 'api_key',
    });
    const elsewhere = signedHeaders(bytes, 'https://attacker.test/v1/keys?a=b');
    await expect(resolve(asked({ headers: elsewhere, bytes }).request)).rejects.toMatchObject(refused);
  });

  test('is refused with other bytes under the same signature', async () => {
    const headers = signedHeaders(bytes);
    await expect(resolve(asked({ headers, bytes: Buffer.from('{"name": "b"}') }).request)).rejects.toMatchObject(
      refused,
    );
  });

  test('is refused where a body comes without its digest: its bytes are not kept', async () => {
    const { 'content-digest': _, ...headers } = signedHeaders(bytes);
    await expect(resolve(asked({ headers, bytes }).request)).rejects.toMatchObject(refused);
  });
});
