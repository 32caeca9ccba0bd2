import { StartError } from '../platform/local/errors.ts';
import { isPortFree, randomFreePort } from '../platform/local/ports.ts';

const TRIES = 200;

/** `wanted` (0: any), or the next free port above it that is not in `except`. @throws StartError */
export async function freePortFrom(wanted: number, host: string, except: readonly number[] = []): Promise<number> {
  for (let attempt = 0; attempt < TRIES; attempt += 1) {
    const port = wanted === 0 ? await randomFreePort(host) : wanted + attempt;
    if (port > 65_535) break;
    if (!except.includes(port) && (await isPortFree(port, host))) return port;
  }
  throw new StartError('no_free_port', `no free port from ${wanted} on (${host})`, 'free one, or set PORT to another');
}
