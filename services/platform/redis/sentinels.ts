export type StoreAddress = { readonly host: string; readonly port: number };

const PORT = 26_379;

/** Host and port as a URL writes them. @throws TypeError for text that is none */
export function addressOf(text: string, usualPort: number): StoreAddress {
  const { hostname, port } = new URL(`redis://${text.trim()}`);
  if (hostname === '') throw new TypeError('an address is empty');
  return { host: hostname.replace(/^\[|\]$/g, ''), port: Number(port || usualPort) };
}

/**
 * The Sentinels that a URL of Redis names: `redis://:password@NAME/0?sentinels=one:26379,two`, where NAME is the name by
 * which they know the primary. None if it names the server itself.
 * @throws TypeError for an address that is none
 */
export function sentinelsOf(url: string): readonly StoreAddress[] {
  const listed = URL.canParse(url) ? new URL(url).searchParams.get('sentinels') : null;
  if (listed === null) return [];
  return listed.split(',').map((address) => addressOf(address, PORT));
}

/** True if a URL names no Sentinels, or each by an address. */
export function areSentinels(url: string | undefined): boolean {
  try {
    return url === undefined || sentinelsOf(url).every(({ port }) => port > 0);
  } catch {
    return false;
  }
}
