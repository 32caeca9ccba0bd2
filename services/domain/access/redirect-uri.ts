import { redirectUriRefused } from './errors.ts';

const LOOPBACK = new Set(['127.0.0.1', '[::1]', 'localhost']);
/** An app's own scheme is a domain name of its maker, reversed: it has a dot (RFC 8252 §7.1). */
const PRIVATE_SCHEME = /^[a-z][a-z0-9+-]*\.[a-z0-9.+-]*:$/;

/**
 * Whether a client may be sent back there: exactly this address, over https, on the user's own machine, or to an app
 * (RFC 9700 §2.1, RFC 8252 §7). `javascript:` and its like are nobody's address.
 */
export function isRedirectUri(text: string): boolean {
  if (!URL.canParse(text) || text.includes('#') || text.includes('*') || /[\s\p{Cc}\\]/u.test(text)) return false;
  const { protocol, hostname, username, password } = new URL(text);
  if (username !== '' || password !== '') return false;
  if (protocol === 'https:') return hostname !== '';
  if (protocol === 'http:') return LOOPBACK.has(hostname);
  return PRIVATE_SCHEME.test(protocol);
}

/** Throws `redirect_uri_refused` (400). */
export function assertRedirectUris(uris: readonly string[]): void {
  const at = uris.findIndex((uri) => !isRedirectUri(uri));
  if (at >= 0) throw redirectUriRefused({ problems: [{ at: `body/redirect_uris/${at}`, why: 'not acceptable' }] });
}
