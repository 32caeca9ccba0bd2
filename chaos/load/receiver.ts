import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type Ledger, now } from '../ledger.ts';
import type { Random } from '../random.ts';

/** A receiver of hand-offs and of the SIEM export that fails on purpose, and writes what it accepts into the ledger. */
export type Receiver = {
  /** As `HANDOFF_ENDPOINTS` takes it. */
  readonly endpoint: string;
  /** As `SIEM_TARGETS` takes it. */
  readonly siemTarget: string;
  /** From now on it accepts everything. */
  heal(): void;
  stop(): Promise<void>;
};

const FAILING = 0.17;
const SIEM_PATH = '/siem';

export async function startReceiver(ledger: Ledger, random: Random): Promise<Receiver> {
  let failing = FAILING;
  const server = createServer((request, response) => {
    const parts: Buffer[] = [];
    request.on('data', (part: Buffer) => parts.push(part));
    request.on('error', () => {});
    request.on('end', () => {
      if (random.chance(failing)) {
        const how = random.pick(['refuses', 'breaks off', 'is silent']);
        if (how === 'refuses') response.writeHead(500).end();
        else if (how === 'breaks off') request.socket.destroy();
        return;
      }
      const text = Buffer.concat(parts).toString();
      if (request.url === SIEM_PATH) {
        for (const line of text.trimEnd().split('\n')) {
          const { event } = JSON.parse(line);
          ledger.exported.push({ seq: event.sequence, id: event.id, subject: 'log', atMs: now() });
        }
      } else {
        const { id, subject, data } = JSON.parse(text);
        ledger.arrivals.push({ seq: data.seq, id, subject, atMs: now() });
      }
      response.writeHead(204).end();
    });
  });
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return {
    endpoint: `chaos=${url}/events`,
    siemTarget: `chaos=ecs+${url}${SIEM_PATH}`,
    heal: () => {
      failing = 0;
    },
    stop: async () => {
      server.closeAllConnections();
      await new Promise((done) => server.close(done));
    },
  };
}
