import { isSafeRedirectUri } from '#services/domain/access/redirect-uri.ts';

/** `http` on this machine, with any port: native apps cannot know theirs beforehand (RFC 8252 §7.3). */
const LOOPBACK = /^http:\/\/(127\.0\.0\.1|\[::1\]|localhost)(?::\d{1,5})?(?=[/?]|$)/;

const withoutPort = (uri: string): string => uri.replace(LOOPBACK, 'http://$1');

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
  if (added.size === 0) return uri;
  return `${uri}${uri.includes('?') ? '&' : '?'}${added}`;
}
