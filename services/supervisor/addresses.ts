/** Hosts that name no single address. */
const ANY_ADDRESS = new Set(['localhost', '0.0.0.0', '::']);

/**
 * The URL for a browser on this machine, whatever address the process listens on.
 * @param loopback the name of this machine where the host names no single address
 */
export function httpUrl(host: string, port: number, loopback = 'localhost'): string {
  const name = ANY_ADDRESS.has(host) ? loopback : host;
  return `http://${name.includes(':') ? `[${name}]` : name}:${port}`;
}

/** Logs that a port is not the requested one; 0 requests any. */
export function tellMove(say: (text: string) => void, what: string, wanted: number, got: number): void {
  if (wanted !== 0 && wanted !== got) say(`${what} ${wanted} is taken: using ${got}`);
}
