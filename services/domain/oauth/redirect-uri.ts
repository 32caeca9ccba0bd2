/** `http` on this machine, with any port: native apps cannot know theirs beforehand (RFC 8252 §7.3). */
const LOOPBACK = /^http:\/\/(127\.0\.0\.1|\[::1\]|localhost)(?::\d{1,5})?(?=[/?]|$)/;
/** Printable ASCII without fragment and backslash, which browsers read as a slash. */
const FORM = /^[a-z][a-z0-9+.-]*:[\x21\x22\x24-\x5b\x5d-\x7e]+$/;
/** Schemes that run or show what follows instead of taking it somewhere. */
const RUNNING_SCHEMES: ReadonlySet<string> = new Set(['javascript:', 'data:', 'vbscript:', 'file:', 'blob:', 'about:']);
const LONGEST = 2_048;

const withoutPort = (uri: string): string => uri.replace(LOOPBACK, 'http://$1');

/** Whether a browser may be sent there at all, registered or not. */
export function isSafeRedirectUri(uri: string): boolean {
  if (uri.length > LONGEST || !FORM.test(uri) || !URL.canParse(uri)) return false;
  const { protocol, username, password } = new URL(uri);
  return !RUNNING_SCHEMES.has(protocol) && username === '' && password === '';
}

/**
 * RFC 9700 §4.1.3: equal to a registered one, character for character; of a loopback address alone the port may vary.
 */
export function matchesRedirectUri(registered: readonly string[], presented: string): boolean {
  if (!isSafeRedirectUri(presented)) return false;
  if (registered.includes(presented)) return true;
  if (!LOOPBACK.test(presented)) return false;
  const wanted = withoutPort(presented);
  return registered.some((uri) => LOOPBACK.test(uri) && withoutPort(uri) === wanted);
}

/** Whether what is sent there reaches the client's own server and nothing else on the way (RFC 8252 §8.6). */
export const isClaimedRedirectUri = (uri: string): boolean => uri.startsWith('https:');

/** Where a form may lead that ends in this redirect (CSP `form-action`, which browsers hold redirects against). */
export function formActionSource(uri: string): string {
  const { protocol, host, hostname } = new URL(uri);
  if (protocol !== 'https:' && protocol !== 'http:') return protocol;
  // The grammar of sources has no IPv6 addresses.
  return hostname.startsWith('[') ? protocol : `${protocol}//${host}`;
}

/** The redirect with parameters added to its query (RFC 6749 §4.1.2). */
export function redirectWith(uri: string, parameters: Readonly<Record<string, string | undefined>>): string {
  const added = new URLSearchParams();
  for (const [name, value] of Object.entries(parameters)) if (value !== undefined) added.set(name, value);
  return `${uri}${uri.includes('?') ? '&' : '?'}${added}`;
}
