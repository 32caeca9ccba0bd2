// For tests only: streams of shared signals of two receivers, the events that go through them, and what is pushed.

import { createServer } from 'node:http';
import { text } from 'node:stream/consumers';
import { createLocalJWKSet, decodeJwt, jwtVerify } from 'jose';
import type { Client } from '#services/core/access/access-directory.ts';
import { recordEvent } from '#services/core/audit/record-event.ts';
import { sealEvents } from '#services/core/audit/seal/seal-events.ts';
import { createKeyRing } from '#services/core/keys/key-ring.ts';
import type { Caller } from '#services/core/ports.ts';
import { loadConfig } from '#services/platform/config/load.ts';
import type { AuditEvent } from '#services/platform/define/audit-event.ts';
import { takeFence } from '#services/platform/queue/fences.ts';
import { createHandoffTransport } from '#services/worker/handoff.ts';
import { insertUser } from '#tools/testing/fixtures/families.ts';
import { openLogHarness } from '#tools/testing/harness/log.ts';
import { callerAt, testCaller } from '#tools/testing/harness/ports.ts';
import { listening } from '#tools/testing/listening.ts';
import { createStream, pollStream } from './manage-streams.ts';
import { createPollWaits } from './poll-waits.ts';
import { pushSignals } from './push-signals.ts';
import type { StreamInput, StreamView } from './streams-contract.ts';

export const ISSUER = 'https://auth.example.test';
/** The only address that the receivers have registered. */
const CLIENT_URI = 'https://receiver.example.test/about';

const clientOf = (clientId: string): Caller => ({
  kind: 'client',
  clientId,
  permissions: new Set(['ssf.manage', 'ssf.read']),
  by: 'secret',
  isVetted: true,
  request: callerAt('198.51.100.1').request,
});
export const caller = clientOf('receiver');
export const other = clientOf('another');

/** Of a caller whose access lasts. */
export const lasting = async (): Promise<boolean> => true;

export const typesOf = (tokens: readonly string[]) =>
  tokens.map((token) => Object.keys(decodeJwt(token).events as object)[0]);

type Arrived = { readonly body: string; readonly authorization: string | undefined };
type Polled = {
  readonly ack?: string[];
  readonly maxEvents?: number;
  readonly setErrs?: object;
  readonly returnImmediately?: boolean;
};

export async function openStreamsHarness() {
  const arrived: Arrived[] = [];
  let answer: (body: string) => number = () => 202;
  const server = createServer(async (request, response) => {
    const body = await text(request);
    arrived.push({ body, authorization: request.headers.authorization });
    response.writeHead(answer(body)).end();
  });
  const log = await openLogHarness();
  const keyRing = createKeyRing(log, loadConfig({}).keys);
  await keyRing.load();
  const receiver = await listening(server);
  const ports = {
    ...log,
    keyRing,
    publicUrl: ISSUER,
    pollWaits: createPollWaits(log),
    access: { client: () => ({ client_uri: CLIENT_URI, redirect_uris: [] }) as unknown as Client },
    tokenSettings: { issuer: ISSUER, accessTokenSeconds: 900 },
    signals: { transport: createHandoffTransport({ allowsPrivate: true }) },
  };
  return {
    log,
    ports,
    /** Of the server that gets what is pushed. */
    origin: receiver.url,
    arrived,
    /** From now on that server answers with this status. */
    answer(next: number | ((body: string) => number)): void {
      answer = typeof next === 'number' ? () => next : next;
    },
    /** No stream, and two clients that may have some. */
    async reset(): Promise<void> {
      await log.raw`TRUNCATE signal_streams, handoff_endpoints CASCADE`;
      await log.raw`DELETE FROM oauth_clients WHERE "clientId" IN ('receiver', 'another')`;
      await log.raw`INSERT INTO oauth_clients (id, "clientId", credential_scopes)
        SELECT id, id, '{ssf.manage,ssf.read}' FROM unnest(ARRAY['receiver', 'another']) AS id`;
      arrived.length = 0;
      answer = () => 202;
    },
    /** Records and seals an event about a user. */
    async happen(
      event: { readonly type: string },
      userId: string,
      detail: object = {},
      sessionId?: string,
    ): Promise<void> {
      const target =
        sessionId === undefined ? { kind: 'user' as const, id: userId } : { kind: 'session' as const, id: sessionId };
      await recordEvent(log.sql, testCaller, event as AuditEvent<'ok'>, {
        outcome: 'ok',
        target,
        detail: { user_id: userId, ...detail },
      });
      await sealEvents(log, {}, testCaller);
    },
    newUser: (): Promise<string> =>
      insertUser({
        query: (sql: string, values?: unknown[]) => log.raw(sql, values).then((rows) => ({ rows })),
      } as never),
    async push(): Promise<void> {
      const fence = await takeFence(log.sql, 'push-signals');
      await pushSignals(ports, { fence, signal: new AbortController().signal }, testCaller);
    },
    create: (input: StreamInput = {}, by = caller): Promise<StreamView> => createStream(ports, input, by),
    poll: (id: string, more: Polled = {}) =>
      pollStream(
        ports,
        { stream_id: id, maxEvents: 100, ack: [], setErrs: {}, returnImmediately: true, ...more } as never,
        caller,
        lasting,
      ),
    /** The claims of a token, verified with our key set as a receiver does. */
    async read(token: string) {
      const keys = createLocalJWKSet(JSON.parse(keyRing.jwks().body));
      const { payload } = await jwtVerify(token, keys, { issuer: ISSUER, audience: 'receiver', typ: 'secevent+jwt' });
      return payload as { jti: string; sub_id: unknown; events: Record<string, Record<string, unknown>>; exp?: number };
    },
    async close(): Promise<void> {
      await receiver.close();
      await log.end();
    },
  };
}
