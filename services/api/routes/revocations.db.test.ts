import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { compactVerify, createLocalJWKSet, decodeProtectedHeader, type JSONWebKeySet, jwtVerify } from 'jose';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { ensureKeys } from '../../domain/keys/ensure-keys.ts';
import { createKeyRing, type KeyRing } from '../../domain/keys/key-ring.ts';
import {
  createRevocationFeed,
  FEED_ANSWER_LIMIT,
  type RevocationFeed,
} from '../../domain/tokens/revocations/revocation-feed.ts';
import { createRevocationStreams, type RevocationStreams } from '../../domain/tokens/revocations/revocation-stream.ts';
import { systemClock, systemRandom } from '../../platform/crypto/system.ts';
import { createVault } from '../../platform/crypto/vault.ts';
import { defineStatement } from '../../platform/define/statement.ts';
import { createFileMarks } from '../../platform/marks/file-marks.ts';
import { testCaller } from '../../platform/testing/ports.ts';
import { quietLog } from '../../platform/testing/quiet-log.ts';
import { openStateCopy, type StateCopy } from '../../platform/testing/state-copy.ts';
import { createTestDatabase, type TestDatabase, testRedisUrl } from '../../platform/testing/stores.ts';
import { createApp } from '../app.ts';
import { createCallerResolver } from '../requests/caller.ts';
import { healthRoutes } from './health.ts';
import { revocationsRoutes } from './revocations.ts';

const issuer = 'https://issuer.example.test';
const insert = defineStatement(
  'testFeedInsert',
  `INSERT INTO revocations (kind, value, token_epoch, reason, expires_at)
   VALUES ($1, $2, $3, $4, clock_timestamp() + interval '1 hour')`,
);
const insertMany = defineStatement(
  'testFeedInsertMany',
  `INSERT INTO revocations (kind, value, reason, expires_at)
   SELECT 'jti', $1 || n, 'test', clock_timestamp() + interval '1 hour' FROM generate_series(1, $2::int) n`,
);
const keySettings = { algorithm: 'ES256', jwksMaxAgeSeconds: 300, ringBoundSeconds: 30 } as const;
const STALENESS_MS = 5_000;

type Entry = { epoch: number; kind: string; value: string; token_epoch?: number; reason?: string; expires_at: number };
type Payload = {
  iss: string;
  incarnation: string;
  epoch: number;
  since: number;
  issued_at: number;
  max_staleness_s: number;
  complete: boolean;
  entries: Entry[];
};

let database: TestDatabase;
let dataDir: string;
let copy: StateCopy;
let keyRing: KeyRing;
let feed: RevocationFeed;
let streams: RevocationStreams;
let app: ReturnType<typeof createApp>;
let base = '';
let isDraining = false;

const add = (kind: string, value: string, tokenEpoch: number | null = null, reason = 'test'): Promise<unknown> =>
  copy.sql.query(insert, [kind, value, tokenEpoch, reason]).then(() => copy.poll.wake());
const keySet = () => createLocalJWKSet(JSON.parse(keyRing.jwks().body) as JSONWebKeySet);

async function opened(jws: string): Promise<Payload> {
  const { payload, protectedHeader } = await compactVerify(jws, keySet(), { algorithms: ['ES256'] });
  expect(protectedHeader.typ).toBe('revocations+jwt');
  return JSON.parse(new TextDecoder().decode(payload)) as Payload;
}

const get = (path: string, headers: Record<string, string> = {}): Promise<Response> =>
  fetch(`${base}${path}`, { headers: { authorization: 'Bearer reader', ...headers } });

/** The outside consumer: reads server-sent events by the letter. */
async function* events(response: Response): AsyncGenerator<{ id: string; event: string; data: string }> {
  let text = '';
  for await (const chunk of response.body!.pipeThrough(new TextDecoderStream())) {
    text += chunk;
    for (let end = text.indexOf('\n\n'); end >= 0; end = text.indexOf('\n\n')) {
      const fields = new Map(
        text
          .slice(0, end)
          .split('\n')
          .map((line) => line.split(/: (.*)/s) as [string, string]),
      );
      text = text.slice(end + 2);
      if (fields.has('data')) yield { id: fields.get('id')!, event: fields.get('event')!, data: fields.get('data')! };
    }
  }
}

beforeAll(async () => {
  dataDir = await mkdtemp(join(tmpdir(), 'sallyport-feed-'));
  database = await createTestDatabase();
  copy = openStateCopy({
    databaseUrl: database.url,
    redisUrl: testRedisUrl(),
    marks: createFileMarks(dataDir),
    stalenessBoundMs: STALENESS_MS,
    pollIntervalMs: 100,
  });
  await copy.poll.ready();
  const ports = { ...copy, vault: createVault(systemRandom.bytes(32)), clock: systemClock, random: systemRandom };
  const tokens = { accessTokenSeconds: 900, leewaySeconds: 5, refreshAbsoluteSeconds: 2_592_000 };
  const keys = {
    algorithm: 'ES256',
    jwtSecret: undefined,
    prepublishSeconds: 900,
    rotationDays: 30,
    ringBoundSeconds: 30,
  } as const;
  await ensureKeys(ports, { keys, tokens, authSecret: 'x'.repeat(32), audience: issuer }, testCaller);
  keyRing = createKeyRing(ports, keySettings);
  await keyRing.load();
  const state = { revocations: copy.revocations, keyRing, issuer, stalenessBoundMs: STALENESS_MS };
  feed = createRevocationFeed(state);
  streams = createRevocationStreams({
    ...state,
    revocationFeed: feed,
    clock: systemClock,
    log: quietLog,
    maximumStreams: 4,
    maximumPerCaller: 3,
  });
  app = createApp({ log: quietLog, trustedProxies: [] });
  const callers = createCallerResolver({
    bearer: (token, request) =>
      ['reader', 'second', 'other'].includes(token)
        ? {
            kind: 'client',
            clientId: token,
            by: 'bearer',
            isVetted: true,
            permissions: new Set(token === 'other' ? [] : ['revocations:read']),
            request,
          }
        : null,
    client: () => null,
    session: async () => null,
    csrfPasses: () => false,
  });
  const routes = { app: app.fastify, callers, bound: app.bound };
  revocationsRoutes(routes, { revocationFeed: feed, revocationStreams: streams });
  healthRoutes(routes, {
    revocations: copy.revocations,
    isKeyRingFresh: () => keyRing.isFresh(),
    isRedisReady: () => copy.redis.isReady(),
    isDraining: () => isDraining,
  });
  base = await app.fastify.listen({ port: 0, host: '127.0.0.1' });
});
afterAll(async () => {
  streams.close();
  // The client keeps its connections for more requests, and a close waits for some of them.
  app.fastify.server.closeAllConnections();
  await app.fastify.close();
  await copy.close();
  await database.drop();
  await rm(dataDir, { recursive: true, force: true });
});
beforeEach(() => expect.poll(() => streams.count()).toBe(0));

describe('GET /v1/revocations', () => {
  test('an outside verifier reads every kind of entry from a compact JWS under the published keys', async () => {
    const { epoch } = copy.revocations.state();
    await add('jti', 'j1');
    await add('sid', 's1');
    await add('family', 'f1', null, 'refresh_token_reused');
    await add('user', 'u1', 4);
    await add('client', 'c1', 2);
    await add('key', 'k1');
    const response = await get(`/v1/revocations?since=${epoch}`);
    expect(response.status).toBe(200);
    expect(response.headers.get('content-type')).toBe('application/revocations+jwt');
    expect(response.headers.get('cache-control')).toBe('no-store');
    const payload = await opened(await response.text());
    expect(payload).toMatchObject({
      iss: issuer,
      incarnation: copy.revocations.state().incarnation,
      epoch: epoch + 6,
      since: epoch,
      max_staleness_s: STALENESS_MS / 1_000,
      complete: true,
    });
    expect(payload.entries.map(({ expires_at: _, ...entry }) => entry)).toEqual([
      { epoch: epoch + 1, kind: 'jti', value: 'j1' },
      { epoch: epoch + 2, kind: 'sid', value: 's1' },
      { epoch: epoch + 3, kind: 'family', value: 'f1', reason: 'refresh_token_reused' },
      { epoch: epoch + 4, kind: 'user', value: 'u1', token_epoch: 4 },
      { epoch: epoch + 5, kind: 'client', value: 'c1', token_epoch: 2 },
      { epoch: epoch + 6, kind: 'key', value: 'k1' },
    ]);
    expect(Math.abs(payload.issued_at - Date.now() / 1_000)).toBeLessThan(60);
    expect(payload.entries.every(({ expires_at }) => expires_at > payload.issued_at + 3_000)).toBe(true);
  });

  test('an epoch that is none of ours is answered with everything: from the future, or of another incarnation', async () => {
    await add('jti', 'snapshot');
    const { epoch, incarnation } = copy.revocations.state();
    const ask = async (query: string): Promise<Payload> => opened(await (await get(`/v1/revocations?${query}`)).text());
    const whole = await ask('');
    expect(whole).toMatchObject({ since: 0, epoch });
    expect(whole.entries.at(-1)?.value).toBe('snapshot');
    expect(await ask(`since=${epoch + 1}`)).toMatchObject({ since: 0, entries: whole.entries });
    const foreign = '00000000-0000-4000-8000-000000000000';
    expect(await ask(`since=${epoch}&incarnation=${foreign}`)).toMatchObject({ since: 0, entries: whole.entries });
    expect(await ask(`since=${epoch}&incarnation=${incarnation}`)).toMatchObject({ since: epoch, entries: [] });
  });

  test('a snapshot larger than an answer comes in parts, and a part alone is good for nothing', async () => {
    await copy.sql.query(insertMany, ['part', FEED_ANSWER_LIMIT + 10]);
    await copy.poll.wake();
    const values = new Set<string>();
    let since = 0;
    let parts = 0;
    for (let payload: Payload | undefined; !payload?.complete; since = payload.epoch) {
      payload = await opened(await (await get(`/v1/revocations?since=${since}`)).text());
      expect(payload.max_staleness_s).toBe(payload.complete ? STALENESS_MS / 1_000 : 0);
      for (const { value } of payload.entries) values.add(value);
      parts += 1;
    }
    expect(parts).toBeGreaterThan(1);
    expect(since).toBe(copy.revocations.state().epoch);
    expect(values.size).toBe(copy.revocations.state().entries);
  });

  test('a feed answer is no access token: its type says so and the claims of one are missing', async () => {
    const jws = await (await get('/v1/revocations')).text();
    expect(decodeProtectedHeader(jws).typ).toBe('revocations+jwt');
    await expect(jwtVerify(jws, keySet(), { typ: 'at+jwt' })).rejects.toMatchObject({
      code: 'ERR_JWT_CLAIM_VALIDATION_FAILED',
    });
  });

  test('needs the permission, and refuses what is no epoch', async () => {
    expect((await get('/v1/revocations', { authorization: 'Bearer other' })).status).toBe(403);
    expect((await get('/v1/revocations', { authorization: 'Bearer none' })).status).toBe(401);
    for (const query of ['since=-1', 'since=x', 'since=1.5', 'since=1e400', 'incarnation=x', 'other=1'])
      expect((await get(`/v1/revocations?${query}`)).status, query).toBe(400);
  });
});

describe('GET /v1/revocations/stream', () => {
  test('begins with what lies above the epoch, then sends each change, then proves that it lives', async () => {
    await add('jti', 'first');
    const { epoch, incarnation } = copy.revocations.state();
    const response = await get(`/v1/revocations/stream?since=${epoch - 1}&incarnation=${incarnation}`);
    expect(response.headers.get('content-type')).toBe('text/event-stream; charset=utf-8');
    const source = events(response);
    const first = (await source.next()).value!;
    expect(first).toMatchObject({ id: `${incarnation}.${epoch}`, event: 'revocations' });
    expect(await opened(first.data)).toMatchObject({ since: epoch - 1, epoch, entries: [{ value: 'first' }] });
    await add('jti', 'second');
    let next = await opened((await source.next()).value!.data);
    while (next.entries.length === 0) next = await opened((await source.next()).value!.data);
    expect(next).toMatchObject({ since: epoch, epoch: epoch + 1, entries: [{ value: 'second' }] });
    const beat = await opened((await source.next()).value!.data);
    expect(beat).toMatchObject({ since: epoch + 1, epoch: epoch + 1, entries: [], complete: true });
    expect(beat.issued_at).toBeGreaterThan(next.issued_at);
    await source.return(undefined);
  });

  test('goes on from Last-Event-ID, which counts before the address', async () => {
    await add('jti', 'missed');
    const { epoch, incarnation } = copy.revocations.state();
    const ask = async (id: string): Promise<Payload> => {
      const source = events(await get('/v1/revocations/stream?since=0', { 'last-event-id': id }));
      const first = await opened((await source.next()).value!.data);
      await source.return(undefined);
      return first;
    };
    expect(await ask(`${incarnation}.${epoch - 1}`)).toMatchObject({
      since: epoch - 1,
      entries: [{ value: 'missed' }],
    });
    expect(await ask(`00000000-0000-4000-8000-000000000000.${epoch - 1}`)).toMatchObject({ since: 0 });
    expect(await ask('nonsense')).toMatchObject({ since: 0 });
  });

  test('a snapshot in parts arrives whole', async () => {
    await copy.sql.query(insertMany, ['streamed', FEED_ANSWER_LIMIT + 10]);
    await copy.poll.wake();
    const source = events(await get('/v1/revocations/stream'));
    const values = new Set<string>();
    for (let isComplete = false; !isComplete; ) {
      const payload = await opened((await source.next()).value!.data);
      for (const { value } of payload.entries) values.add(value);
      isComplete = payload.complete;
    }
    expect(values.size).toBe(copy.revocations.state().entries);
    await source.return(undefined);
  });

  test('streams are bounded, of one caller and of all; a place is free again when one ends', async () => {
    const ask = (bearer: string) => get('/v1/revocations/stream', { authorization: `Bearer ${bearer}` });
    const open = await Promise.all([1, 2, 3].map(() => ask('reader')));
    const spent = await ask('reader');
    expect(spent.status).toBe(429);
    expect(await spent.json()).toMatchObject({ code: 'revocation_streams_spent' });
    const others = await ask('second');
    expect(others.status).toBe(200);
    const refused = await ask('second');
    expect(refused.status).toBe(503);
    expect(refused.headers.get('retry-after')).toBe('5');
    expect(await refused.json()).toMatchObject({ code: 'revocation_streams_busy' });
    await open[0]!.body!.cancel();
    await expect.poll(() => streams.count()).toBe(3);
    const again = await ask('reader');
    expect(again.status).toBe(200);
    await Promise.all([open[1], open[2], others, again].map((response) => response!.body!.cancel()));
  });
});

describe('health', () => {
  test('lives and is ready without a credential; a draining copy is not ready and still lives', async () => {
    await expect.poll(() => copy.redis.isReady()).toBe(true);
    expect(await (await fetch(`${base}/healthz`)).json()).toEqual({ status: 'ok' });
    const ready = await fetch(`${base}/readyz`);
    expect([ready.status, await ready.json()]).toEqual([
      200,
      {
        status: 'ready',
        components: { api: 'ok', postgres: 'ok', keys: 'ok', revocations: 'ok', redis: 'ok' },
        api: 'ok',
        postgres: 'ok',
        keys: 'ok',
        revocations: 'ok',
        redis: 'ok',
      },
    ]);
    isDraining = true;
    const draining = await fetch(`${base}/readyz`);
    expect(draining.status).toBe(503);
    expect(await draining.json()).toMatchObject({
      status: 'not_ready',
      components: { api: 'draining' },
      api: 'draining',
      code: 'not_ready',
      retryable: true,
      trace_id: expect.stringMatching(/^[0-9a-f]{32}$/),
    });
    expect((await fetch(`${base}/healthz`)).status).toBe(200);
    isDraining = false;
  });

  test('a rewound database and a stopped poll are told apart, in feed, stream and readiness', async () => {
    const stream = events(await get('/v1/revocations/stream'));
    await stream.next();
    await copy.poll.close();
    copy.revocations.setRewound(true);
    const [rewoundFeed, rewoundStream, rewoundReady] = await Promise.all([
      get('/v1/revocations'),
      get('/v1/revocations/stream'),
      fetch(`${base}/readyz`),
    ]);
    copy.revocations.setRewound(false);
    for (const response of [rewoundFeed, rewoundStream]) {
      expect(response.status).toBe(503);
      expect(await response.json()).toMatchObject({
        code: 'state_rewound',
        fix: expect.stringContaining('sallyport restore --accept-loss'),
      });
    }
    expect(await rewoundReady.json()).toMatchObject({ components: { revocations: 'rewound', postgres: 'ok' } });
    await expect.poll(() => copy.revocations.refusal(), { timeout: 30_000 }).toBe('revocation_state_stale');
    const stale = await get('/v1/revocations');
    expect([stale.status, stale.headers.get('retry-after')]).toEqual([503, '1']);
    expect(await stale.json()).toMatchObject({ code: 'revocation_state_stale' });
    const notReady = await fetch(`${base}/readyz`);
    expect(notReady.status).toBe(503);
    expect(await notReady.json()).toMatchObject({ components: { revocations: 'stale', postgres: 'unreachable' } });
    // The drain ends what is open, cleanly, and opens no more.
    streams.close();
    let end = await stream.next();
    while (!end.done) end = await stream.next();
    expect((await get('/v1/revocations/stream')).status).toBe(503);
  });
});
