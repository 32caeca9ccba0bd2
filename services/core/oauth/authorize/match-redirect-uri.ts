import { isSafeRedirectUri } from '#services/core/access/redirect-uri.ts';

/** `http` on a loopback address with any port: native apps do not know their port in advance (RFC 8252 §7.3). */
const LOOPBACK = /^http:\/\/(127\.0\.0\.1|\[::1\]|localhost)(?::\d{1,5})?(?=[/?]|$)/;

const withoutPort = (uri: string): string => uri.replace(LOOPBACK, 'http://$1');

/** Whether a URI equals a registered one exactly; only the port of a loopback address may differ (RFC 9700 §4.1.3). */
export function matchesRedirectUri(registered: readonly string[], presented: string): boolean {
  if (!isSafeRedirectUri(presented)) return false;
  if (registered.includes(presented)) return true;
  if (!LOOPBACK.test(presented)) return false;
  const wanted = withoutPort(presented);
  return registered.some((uri) => LOOPBACK.test(uri) && withoutPort(uri) === wanted);
}

/** Whether only the client's own server can receive the redirect (RFC 8252 §8.6). */
export const isClaimedRedirectUri = (uri: string): boolean => uri.startsWith('https:');

/** CSP `form-action` source for a form that ends in this redirect: browsers apply the policy to redirects too. */
export function formActionSource(uri: string): string {
  const { protocol, host, hostname } = new URL(uri);
  if (protocol !== 'https:' && protocol !== 'http:') return protocol;
  // CSP sources cannot contain IPv6 addresses.
  return hostname.startsWith('[') ? protocol : `${protocol}//${host}`;
}

/** The redirect URI with parameters added to its query (RFC 6749 §4.1.2). */
export function redirectWith(uri: string, parameters: Readonly<Record<string, string | undefined>>): string {
  const added = new URLSearchParams();
  for (const [name, value] of Object.entries(parameters)) if (value !== undefined) added.set(name, value);
  if (added.size === 0) return uri;
  return `${uri}${uri.includes('?') ? '&' : '?'}${added}`;
}
