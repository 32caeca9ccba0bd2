export type SentinelAddress = { readonly host: string; readonly port: number };

const PORT = 26_379;

/**
 * The Sentinels that a URL of Redis names: `redis://:password@NAME/0?sentinels=one:26379,two`, where NAME is the name by
 * which they know the primary. None if it names the server itself.
 * @throws TypeError for an address that is none
 */
export function sentinelsOf(url: string): readonly SentinelAddress[] {
  const listed = URL.canParse(url) ? new URL(url).searchParams.get('sentinels') : null;
  if (listed === null) return [];
  return listed.split(',').map((address) => {
    const { hostname, port } = new URL(`redis://${address.trim()}`);
    if (hostname === '') throw new TypeError('an address of a Sentinel is empty');
    return { host: hostname.replace(/^\[|\]$/g, ''), port: Number(port || PORT) };
  });
}

/** True if a URL names no Sentinels, or each by an address. */
export function areSentinels(url: string | undefined): boolean {
  try {
    return url === undefined || sentinelsOf(url).every(({ port }) => port > 0);
  } catch {
    return false;
  }
}
