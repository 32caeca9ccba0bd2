import { randomInt } from 'node:crypto';
import { createServer } from 'node:net';

// Below the ports that systems give to connections: one of those may be taken by any client while its server is stopped.
const [LOWEST, HIGHEST] = [20_000, 32_767];
const TRIES = 1_000;

/** Whether a server could listen on this address now. Asked without `reusePort`, so a shared port counts as taken. */
export function isPortFree(port: number, host: string): Promise<boolean> {
  return new Promise((done, fail) => {
    const probe = createServer();
    probe.once('error', (err: NodeJS.ErrnoException) => {
      if (err.code === 'EADDRINUSE' || err.code === 'EACCES') done(false);
      else fail(err);
    });
    probe.listen({ port, host, exclusive: true }, () => probe.close(() => done(true)));
  });
}

/** A free port that no connection is given by itself: free it stays until a server takes it. */
export async function randomFreePort(host = '127.0.0.1'): Promise<number> {
  for (let tries = 0; tries < TRIES; tries += 1) {
    const port = randomInt(LOWEST, HIGHEST + 1);
    if (await isPortFree(port, host)) return port;
  }
  throw new Error(`no port of ${host} is free`);
}
