/** As a browser on this machine would call it, whatever address we listen on. */
export function httpUrl(host: string, port: number): string {
  const name = host === '0.0.0.0' || host === '::' ? '127.0.0.1' : host;
  return `http://${name.includes(':') ? `[${name}]` : name}:${port}`;
}

/** Says aloud that a port is not the one asked for; 0 asked for any. */
export function tellMove(say: (text: string) => void, what: string, wanted: number, got: number): void {
  if (wanted !== 0 && wanted !== got) say(`${what} ${wanted} is taken: using ${got}`);
}
