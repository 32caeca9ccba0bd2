import { randomInt } from 'node:crypto';
import { createServer } from 'node:net';
import { StartError } from './errors.ts';
import { loopbackOf } from './loopback.ts';

// Below the ephemeral ports: any client connection may take one of those while its server is stopped.
const [LOWEST, HIGHEST] = [20_000, 32_767];
const TRIES = 1_000;

/** Why this port can never be used, with the fix; undefined if it may be free later. */
function hopeless(port: number, host: string, code: string | undefined): StartError | undefined {
  if (code === 'EACCES')
    return new StartError(
      'port_forbidden',
      `this user may not listen on port ${port} (EACCES)`,
      'set PORT to 1024 or above and let a proxy forward to it, or give node CAP_NET_BIND_SERVICE',
    );
  if (code === 'EADDRNOTAVAIL' || code === 'ENOTFOUND' || code === 'EAI_AGAIN')
    return new StartError(
      'host_unusable',
      `${host} is not an address of this machine (${code})`,
      'set HOST to localhost, 0.0.0.0 or an address of this machine',
    );
  return undefined;
}

/**
 * Whether a server could listen on this address now; on `localhost`, on every loopback address of this machine.
 * @throws StartError if it never could
 */
export async function isPortFree(port: number, host: string): Promise<boolean> {
  const [address, ...others] = loopbackOf(host);
  if (!(await isFreeAt(port, address))) return false;
  // A machine without IPv6 has no second address.
  const frees = others.map((other) => isFreeAt(port, other).catch(() => true));
  return (await Promise.all(frees)).every(Boolean);
}

const isFreeAt = (port: number, host: string): Promise<boolean> =>
  new Promise((done, fail) => {
    const probe = createServer();
    probe.once('error', (err: NodeJS.ErrnoException) => {
      if (err.code === 'EADDRINUSE') done(false);
      else fail(hopeless(port, host, err.code) ?? err);
    });
    probe.listen({ port, host, exclusive: true }, () => probe.close(() => done(true)));
  });

/** A free port outside the ephemeral range: it stays free until a server takes it. */
export async function randomFreePort(host = '127.0.0.1'): Promise<number> {
  for (let tries = 0; tries < TRIES; tries += 1) {
    const port = randomInt(LOWEST, HIGHEST + 1);
    if (await isPortFree(port, host)) return port;
  }
  throw new Error(`no port of ${host} is free`);
}
