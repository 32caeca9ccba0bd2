/** The URL for a browser on this machine, whatever address the process listens on. */
export function httpUrl(host: string, port: number): string {
  const name = host === '0.0.0.0' || host === '::' ? '127.0.0.1' : host;
  return `http://${name.includes(':') ? `[${name}]` : name}:${port}`;
}

/** Logs that a port is not the requested one; 0 requests any. */
export function tellMove(say: (text: string) => void, what: string, wanted: number, got: number): void {
  if (wanted !== 0 && wanted !== got) say(`${what} ${wanted} is taken: using ${got}`);
}
