// For tests only: a server for the revocation feed, its streams and health, and its readers.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { compactVerify, createLocalJWKSet, type JSONWebKeySet } from 'jose';
import { expect } from 'vitest';
import { createRevocationStreams, type RevocationStreams } from '#services/core/revocations/revocation-stream.ts';
import { defineStatement } from '#services/platform/define/statement.ts';
import { createFileMarks } from '#services/platform/marks/file-marks.ts';
import { type Copy, openCopy } from '#tools/testing/harness/copy.ts';
import { quietLog } from '#tools/testing/harness/ports.ts';
import { createTestDatabase, testRedisUrl } from '#tools/testing/harness/stores.ts';
import { createApp } from '../app.ts';
import { createCallerResolver } from '../requests/caller.ts';
import { rejectsAll } from '../route-harness.ts';
import { healthRoutes } from './health.ts';
import { revocationsRoutes } from './revocations.ts';

export const ISSUER = 'https://issuer.example.test';
export const STALENESS_MS = 5_000;

const insert = defineStatement('testFeedInsert')`
  INSERT INTO revocations (kind, value, token_epoch, reason, expires_at)
  VALUES ($1, $2, $3, $4, clock_timestamp() + interval '1 hour')`;
const insertMany = defineStatement('testFeedInsertMany')`
  INSERT INTO revocations (kind, value, reason, expires_at)
  SELECT 'jti', $1 || n, 'test', clock_timestamp() + interval '1 hour' FROM generate_series(1, $2::int) n`;

type Entry = { epoch: number; kind: string; value: string; token_epoch?: number; reason?: string; expires_at: number };
export type FeedPayload = {
  iss: string;
  incarnation: string;
  epoch: number;
  since: number;
  issued_at: number;
  max_staleness_s: number;
  complete: boolean;
  entries: Entry[];
};
type StreamEvent = { readonly id: string; readonly event: string; readonly data: string };

type FeedHarness = {
  readonly copy: Pick<Copy, 'poll'> & Pick<Copy['ports'], 'revocations'> & Pick<Copy['stores'], 'redis'>;
  /** At most three streams of one caller, and four in all. */
  readonly streams: RevocationStreams;
  /** Its base URL. */
  readonly url: string;
  /** Adds a revocation; the copy knows it when this resolves. */
  add(kind: string, value: string, tokenEpoch?: number | null, reason?: string): Promise<void>;
  /** Adds that many token revocations; the copy knows them when this resolves. */
  addMany(prefix: string, count: number): Promise<void>;
  /** A request by `reader`; `second` may read too, `other` may not. */
  get(path: string, headers?: Readonly<Record<string, string>>): Promise<Response>;
  /** The published keys, as an outside verifier fetches them. */
  keySet(): ReturnType<typeof createLocalJWKSet>;
  /** The payload of an answer, after its signature is verified. */
  opened(jws: string): Promise<FeedPayload>;
  setDraining(isDraining: boolean): void;
  close(): Promise<void>;
};

/** The outside consumer: parses server-sent events by the specification. */
export async function* events(response: Response): AsyncGenerator<StreamEvent> {
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

/** One server on a database of its own: one harness per test file. */
export async function openFeedHarness(): Promise<FeedHarness> {
  const dataDir = await mkdtemp(join(tmpdir(), 'sallyport-feed-'));
  const database = await createTestDatabase();
  const copy = await openCopy({
    databaseUrl: database.url,
    redisUrl: testRedisUrl(),
    authSecret: 'x'.repeat(32),
    marks: createFileMarks(dataDir),
    env: {
      JWT_ISSUER: ISSUER,
      JWT_ALGORITHM: 'ES256',
      REVOCATION_STALENESS_MS: String(STALENESS_MS),
      REVOCATION_POLL_MS: '100',
    },
  });
  const { ports, poll } = copy;
  const { keyRing, revocations } = ports;
  // As the product makes them, but for four in all instead of a thousand.
  const streams = createRevocationStreams({
    ...ports,
    stalenessBoundMs: STALENESS_MS,
    maximumStreams: 4,
    maximumPerCaller: 3,
  });
  let isDraining = false;
  const app = createApp({ log: quietLog, trustedProxies: [] });
  const routes = { app: app.fastify, callers, bound: app.bound };
  revocationsRoutes(routes, { ...ports, revocationStreams: streams });
  healthRoutes(routes, {
    revocations,
    isKeyRingFresh: () => keyRing.isFresh(),
    isDirectoryFresh: () => copy.ports.access.isFresh(),
    isRedisReady: () => copy.stores.redis.isReady(),
    isDraining: () => isDraining,
  });
  const url = await app.fastify.listen({ port: 0, host: '127.0.0.1' });
  const keySet: FeedHarness['keySet'] = () => createLocalJWKSet(JSON.parse(keyRing.jwks().body) as JSONWebKeySet);
  return {
    copy: { poll, revocations, redis: copy.stores.redis },
    streams,
    url,
    add: async (kind, value, tokenEpoch = null, reason = 'test') => {
      await ports.sql.query(insert, [kind, value, tokenEpoch, reason]);
      await poll.wake();
    },
    addMany: async (prefix, count) => {
      await ports.sql.query(insertMany, [prefix, count]);
      await poll.wake();
    },
    get: (path, headers = {}) => fetch(`${url}${path}`, { headers: { authorization: 'Bearer reader', ...headers } }),
    keySet,
    opened: async (jws) => {
      const { payload, protectedHeader } = await compactVerify(jws, keySet(), { algorithms: ['ES256'] });
      expect(protectedHeader.typ).toBe('revocations+jwt');
      return JSON.parse(new TextDecoder().decode(payload)) as FeedPayload;
    },
    setDraining: (value) => {
      isDraining = value;
    },
    close: async () => {
      streams.close();
      // The client keeps connections for more requests, and a close waits for some of them.
      app.fastify.server.closeAllConnections();
      await app.fastify.close();
      await copy.close();
      await database.drop();
      await rm(dataDir, { recursive: true, force: true });
    },
  };
}

/** There are no cookies or secrets here; a bearer token is its client's name. */
const callers = createCallerResolver({
  ...rejectsAll,
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
});
