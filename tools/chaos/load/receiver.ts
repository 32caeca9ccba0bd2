import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import { decodeJwt } from 'jose';
import { type Ledger, now } from '../ledger.ts';
import type { Random } from '../random.ts';

/** How a receiver that is down fails. */
export const WAYS_DOWN = ['away', 'hanging', 'failing'] as const;
type WayDown = (typeof WAYS_DOWN)[number];

/** A receiver of all that leaves the product, which fails on purpose and writes what it accepts into the ledger. */
export type Receiver = {
  /** As `HANDOFF_ENDPOINTS` takes it. */
  readonly endpoint: string;
  /** As `SIEM_TARGETS` takes it. */
  readonly siemTarget: string;
  /** Where alerts and shared signals go. */
  readonly alerts: string;
  /** The same of a target with an address of its own. */
  alertsOf(name: string): string;
  readonly signals: string;
  /** Where logout tokens go. */
  readonly logout: string;
  /** The key set of the transmitter beside it, which never fails. */
  readonly jwks: string;
  /** From now on it accepts nothing. */
  breakDown(how: WayDown): void;
  /** It fails now and then again. */
  restore(): void;
  /** From now on it accepts everything. */
  heal(): void;
  stop(): Promise<void>;
};

const FAILING = 0.17;

const ALERTS_OF = '/alerts-of/';

/** What each path takes: a request as facts of the ledger. */
const takes: Readonly<Record<string, (ledger: Ledger, body: string, rest: string) => void>> = {
  '/events': ({ arrivals }, body) => {
    const { id, subject, data } = JSON.parse(body);
    arrivals.push({ seq: data.seq, id, subject, atMs: now() });
  },
  '/siem': ({ exported }, body) => {
    for (const line of body.trimEnd().split('\n')) {
      const { event } = JSON.parse(line);
      exported.push({ seq: event.sequence, id: event.id, subject: 'log', atMs: now() });
    }
  },
  '/alerts': ({ told }, body) => {
    const { id: messageId, data } = JSON.parse(body);
    // A message may be of several groups.
    for (const { alert_id: id, status, source, name } of data.alerts)
      told.push({ id: `${id} ${status}`, subject: `${source}:${name}`, atMs: now(), messageId });
  },
  [ALERTS_OF]: ({ lastWords }, body, name) => {
    const { alerts } = JSON.parse(body).data as { readonly alerts: readonly { readonly summary: string }[] };
    if (alerts.some(({ summary }) => summary.endsWith(` the alert target ${name}`)))
      lastWords.push({ id: name, subject: name, atMs: now() });
  },
  '/signals': ({ signalled }, body) => {
    const { txn, sub_id: subId } = decodeJwt<{ txn: string; sub_id: { user?: { sub: string }; sub?: string } }>(body);
    const subject = subId.user?.sub ?? subId.sub;
    // A verification is about the stream.
    if (subject !== undefined) signalled.push({ id: txn, subject, atMs: now() });
  },
  '/logout': ({ loggedOut }, body) => {
    const { jti, sid } = decodeJwt<{ jti: string; sid: string }>(new URLSearchParams(body).get('logout_token') ?? '');
    loggedOut.push({ id: jti, subject: sid, atMs: now() });
  },
};

function fail(how: WayDown | undefined, request: IncomingMessage, response: ServerResponse): void {
  if (how === 'failing') response.writeHead(500).end();
  else if (how === 'away') request.socket.destroy();
}

/** @param keySet of the transmitter beside it */
export async function startReceiver(ledger: Ledger, random: Random, keySet: object): Promise<Receiver> {
  let failing = FAILING;
  let down: WayDown | undefined;
  const server = createServer(async (request, response) => {
    const body = await text(request).catch(() => undefined);
    if (body === undefined) return;
    if (request.url === '/jwks') {
      response.setHeader('content-type', 'application/json').end(JSON.stringify(keySet));
      return;
    }
    const how = down ?? (random.chance(failing) ? random.pick(WAYS_DOWN) : undefined);
    if (how !== undefined) return fail(how, request, response);
    const [, path = '', rest = ''] = /^(\/[^/]*\/?)(.*)$/.exec(request.url ?? '') ?? [];
    takes[path]?.(ledger, body, rest);
    response.writeHead(202).end();
  });
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return {
    endpoint: `chaos=${url}/events`,
    siemTarget: `chaos=ecs+${url}/siem`,
    alerts: `${url}/alerts`,
    alertsOf: (name) => url + ALERTS_OF + name,
    signals: `${url}/signals`,
    logout: `${url}/logout`,
    jwks: `${url}/jwks`,
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
