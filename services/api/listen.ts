import { type AddressInfo, createServer, type Server } from 'node:net';
import type { FastifyInstance } from 'fastify';

type Place = {
  /** The required address first; the machine may lack the others. */
  readonly addresses: readonly [string, ...string[]];
  /** 0: any. */
  readonly port: number;
};

/** Codes of a machine that has no such address. */
const ABSENT = new Set(['EADDRNOTAVAIL', 'EAFNOSUPPORT']);

/** Accepts connections for another server; undefined if the machine has no such address. */
function acceptFor(
  { server: http }: FastifyInstance,
  at: { readonly host: string; readonly port: number },
): Promise<Server | undefined> {
  // As Node creates the sockets of an HTTP server.
  const likeHttp = { allowHalfOpen: true, noDelay: true };
  const server = createServer(likeHttp, (socket) => http.emit('connection', socket));
  return new Promise((done, fail) => {
    server.once('error', (err: NodeJS.ErrnoException) => (ABSENT.has(err.code ?? '') ? done(undefined) : fail(err)));
    server.listen(at, () => done(server));
  });
}

/**
 * Listens on every address that the machine has. Connections to all of them belong to one HTTP server, so its limits,
 * its drain and its refusals of unreadable requests are the same for each; Fastify would make a server for each. Call it
 * once. Rejects if the port of an address is taken.
 */
export async function listen(fastify: FastifyInstance, { addresses, port }: Place): Promise<void> {
  const [first, ...others] = addresses;
  const accepting: Server[] = [];
  let closed: Promise<unknown> = Promise.resolve();
  // Runs before the HTTP server closes, which ends the idle connections of all addresses.
  fastify.addHook('preClose', (done) => {
    closed = Promise.all(accepting.map((server) => new Promise((end) => server.close(end))));
    done();
  });
  fastify.addHook('onClose', async () => {
    await closed;
  });
  await fastify.listen({ host: first, port });
  const { port: chosen } = fastify.server.address() as AddressInfo;
  for (const host of others) {
    const server = await acceptFor(fastify, { host, port: chosen });
    if (server) accepting.push(server);
  }
}
