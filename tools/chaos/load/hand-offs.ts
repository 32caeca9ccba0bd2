import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { json } from 'node:stream/consumers';
import { type Finding, type Gate, gateOf, secondsOf } from '../gates.ts';
import { type Arrival, type Ledger, now } from '../ledger.ts';
import type { Random } from '../random.ts';

/** How a receiver that is down fails. */
export const WAYS_DOWN = ['away', 'hanging', 'failing'] as const;
type WayDown = (typeof WAYS_DOWN)[number];

/** A receiver of hand-offs, which fails on purpose and writes what it accepts into the ledger. */
export type Receiver = {
  /** As `HANDOFF_ENDPOINTS` takes it. */
  readonly endpoint: string;
  /** From now on it accepts nothing. */
  breakDown(how: WayDown): void;
  /** It fails now and then again. */
  restore(): void;
  /** From now on it accepts everything. */
  heal(): void;
  stop(): Promise<void>;
};

const FAILING = 0.17;

function fail(how: WayDown, request: IncomingMessage, response: ServerResponse): void {
  if (how === 'failing') response.writeHead(500).end();
  else if (how === 'away') request.socket.destroy();
}

type Event = { readonly id: string; readonly subject: string; readonly data: { readonly seq: number } };

export async function startReceiver({ arrivals }: Ledger, random: Random): Promise<Receiver> {
  let failing = FAILING;
  let down: WayDown | undefined;
  const server = createServer(async (request, response) => {
    const event = (await json(request).catch(() => undefined)) as Event | undefined;
    if (event === undefined) return;
    const how = down ?? (random.chance(failing) ? random.pick(WAYS_DOWN) : undefined);
    if (how !== undefined) return fail(how, request, response);
    arrivals.push({ seq: event.data.seq, id: event.id, subject: event.subject, atMs: now() });
    response.writeHead(202).end();
  });
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  return {
    endpoint: `chaos=http://127.0.0.1:${(server.address() as AddressInfo).port}/events`,
    breakDown: (how) => {
      down = how;
    },
    restore: () => {
      down = undefined;
    },
    heal: () => {
      down = undefined;
      failing = 0;
    },
    stop: async () => {
      server.closeAllConnections();
      await new Promise((done) => server.close(done));
    },
  };
}

/** An event of the sealed log that the receiver is due. */
export type DueEvent = { readonly seq: number; readonly id: string; readonly type: string };

/** Every event that is due arrives. */
export function arrived({ arrivals }: Ledger, due: readonly DueEvent[]): Gate {
  const ids = new Set(arrivals.map(({ id }) => id));
  return gateOf('hand-offs: every event arrives', due, ({ seq, id, type }) =>
    ids.has(id) ? undefined : { text: `${type} ${id} (${seq}) never arrived` },
  );
}

/** Events of one subject arrive in order: each for the first time after those before it. A lost database begins anew. */
export function arrivedInOrder({ arrivals, rewinds }: Ledger): Gate {
  const first = new Map(arrivals.toReversed().map((arrival) => [arrival.id, arrival]));
  const last = new Map<string, number>();
  const streamOf = ({ subject, atMs }: Arrival): string =>
    `${subject} ${rewinds.filter(({ startedAtMs }) => startedAtMs <= atMs).length}`;
  const inOrder = arrivals.filter((arrival) => first.get(arrival.id) === arrival);
  return gateOf('hand-offs: events of a subject arrive in order', inOrder, (arrival): Finding | undefined => {
    const { seq, id, subject, atMs } = arrival;
    const before = last.get(streamOf(arrival)) ?? -1;
    last.set(streamOf(arrival), Math.max(seq, before));
    if (seq > before) return undefined;
    return { text: `event ${id} (${seq}) of ${subject} arrived after ${before}, at ${secondsOf(atMs)}` };
  });
}
