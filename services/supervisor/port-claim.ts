import { createServer, type Server } from 'node:net';
import { StartError } from '../platform/local/errors.ts';
import { isPortFree, randomFreePort } from '../platform/local/ports.ts';

const TRIES = 200;

export type PortClaim = {
  port: number;
  release(): void;
};

/**
 * A lock on a port, as a name in Linux's abstract socket namespace. Copies share a port with `reusePort`, under which a
 * second installation would bind it too, unnoticed; the name has one holder and is released with its process.
 */
function holdName(port: number): Promise<Server | 'taken' | undefined> {
  if (process.platform !== 'linux') return Promise.resolve(undefined);
  return new Promise((done) => {
    const server = createServer();
    server.once('error', (err: NodeJS.ErrnoException) => done(err.code === 'EADDRINUSE' ? 'taken' : undefined));
    server.listen(`\0sallyport-port-${port}`, () => done(server.unref()));
  });
}

/** Claims `wanted` (0: any), or the next free port above it that is not in `except`. */
export async function claimPort(wanted: number, host: string, except: readonly number[] = []): Promise<PortClaim> {
  for (let attempt = 0; attempt < TRIES; attempt += 1) {
    const port = wanted === 0 ? await randomFreePort(host) : wanted + attempt;
    if (port > 65_535) break;
    if (except.includes(port)) continue;
    const name = await holdName(port);
    if (name === 'taken') continue;
    try {
      if (await isPortFree(port, host)) return { port, release: () => void name?.close() };
    } catch (err) {
      name?.close();
      throw err;
    }
    name?.close();
  }
  throw new StartError('no_free_port', `no free port from ${wanted} on (${host})`, 'free one, or set PORT to another');
}
