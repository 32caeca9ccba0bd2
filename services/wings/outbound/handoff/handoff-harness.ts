// For tests only: a sealed log with keys, and an endpoint that gets its events over HTTP.
import { createServer, type IncomingHttpHeaders, type RequestListener, type ServerResponse } from 'node:http';
import { text } from 'node:stream/consumers';
import { newestEventSeq } from '#services/core/audit/read/list-events.ts';
import { sealEvents } from '#services/core/audit/seal/seal-events.ts';
import { createKeyRing } from '#services/core/keys/key-ring.ts';
import { loadConfig } from '#services/platform/config/load.ts';
import { takeFence } from '#services/platform/queue/fences.ts';
import { createHandoffTransport } from '#services/worker/handoff.ts';
import { type OwnLogHarness, openLogHarness } from '#tools/testing/harness/log.ts';
import { testCaller } from '#tools/testing/harness/ports.ts';
import { listening } from '#tools/testing/listening.ts';
import type { PushHandoffPorts } from './deliver-handoff.ts';
import { pushHandoffs } from './push-handoffs.ts';

export const ISSUER = 'https://auth.example.test';
export const NAME = 'siem';
/** The type of the events that the harness hands off. */
export const TYPE = 'user.login';

export type Arrived = { readonly headers: IncomingHttpHeaders; readonly body: string; readonly url: string };
type Answer = (arrived: Arrived, response: ServerResponse) => number | undefined | Promise<number | undefined>;

/** The CloudEvent that a request carried. */
export const eventOf = ({ body }: Arrived) => JSON.parse(body);

/** Lets time pass for what waits. */
export async function passHandoffs(log: Pick<OwnLogHarness, 'raw'>, seconds: number): Promise<void> {
  const by = `make_interval(secs => ${seconds})`;
  await log.raw(
    `UPDATE handoff_deliveries SET next_attempt_at = next_attempt_at - ${by}, created_at = created_at - ${by}`,
  );
  await log.raw(`UPDATE handoff_endpoints SET open_until = open_until - ${by}`);
}

export type HandoffHarness = Awaited<ReturnType<typeof openHandoffHarness>>;

/** On its own database, which `close` drops. */
export async function openHandoffHarness() {
  const log = await openLogHarness();
  const keyRing = createKeyRing(log, loadConfig({}).keys);
  await keyRing.load();
  /** Requests in the order of their arrival. */
  const arrived: Arrived[] = [];
  let listener: RequestListener;
  /** How the endpoint answers from now on; undefined: the answer ends the response itself. */
  const answerWith = (answer: Answer): void => {
    listener = async (request, response) => {
      const one = { headers: request.headers, body: await text(request), url: request.url as string };
      arrived.push(one);
      const status = await answer(one, response);
      if (status !== undefined) response.writeHead(status, status === 302 ? { location: '/' } : {}).end();
    };
  };
  answerWith(() => 204);
  const server = createServer((request, response) => listener(request, response));
  const listens = await listening(server);
  const url = `${listens.url}/events`;
  const ports: PushHandoffPorts = {
    ...log,
    keyRing,
    tokenSettings: { issuer: ISSUER, accessTokenSeconds: 900 },
    handoff: {
      endpoints: [{ name: NAME, url }],
      types: [TYPE],
      transport: createHandoffTransport({ allowsPrivate: true }),
    },
  };
  /** One run of the job. */
  const run = async (changes: Partial<PushHandoffPorts> = {}, signal = new AbortController().signal) => {
    const fence = await takeFence(log.sql, 'push-handoffs');
    return pushHandoffs({ ...ports, ...changes }, { fence, signal }, testCaller);
  };
  return {
    log,
    keyRing,
    ports,
    arrived,
    /** The `seq` of each of them. */
    seqs: () => arrived.map((one) => eventOf(one).data.seq),
    url,
    answerWith,
    /** Lets a receiver answer from now on. */
    listenWith: (given: RequestListener) => {
      listener = given;
    },
    /** Records and seals one event for each of these users, in this order. Returns their `seq`. */
    async events(...userIds: readonly string[]) {
      const before = await newestEventSeq(log);
      for (const userId of userIds) await log.emit(1, { type: TYPE, userId });
      await sealEvents(log, {}, testCaller);
      const sealed = await log.raw<{ seq: number }>`SELECT seq::float8 AS seq FROM audit_events
        WHERE seq > ${before} AND type = ${TYPE} ORDER BY seq`;
      return sealed.map(({ seq }) => seq);
    },
    run,
    /** Lets time pass for what waits. */
    pass: (seconds: number) => passHandoffs(log, seconds),
    rows: () =>
      log.raw`SELECT seq::float8 AS seq, attempts, failure,
        extract(epoch FROM next_attempt_at - clock_timestamp())::float8 AS due FROM handoff_deliveries ORDER BY seq`,
    /** Forgets the endpoint and what waits for it, and lets it begin again after the newest event. */
    async reset() {
      await log.raw`DELETE FROM handoff_endpoints`;
      arrived.length = 0;
      answerWith(() => 204);
      await sealEvents(log, {}, testCaller);
      await run();
    },
    async close() {
      await listens.close();
      await log.end();
    },
  };
}
