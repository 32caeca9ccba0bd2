import { redirectUriRefused } from './errors.ts';

const LOOPBACK = new Set(['127.0.0.1', '[::1]', 'localhost']);
/** An app's own scheme is a domain name of its maker, reversed: it has a dot (RFC 8252 §7.1). */
const PRIVATE_SCHEME = /^[a-z][a-z0-9+-]*\.[a-z0-9.+-]*:$/;
/** Printable ASCII without fragment and backslash, which browsers read as a slash; the scheme in lower case. */
const FORM = /^(?!https?:(?!\/\/))[a-z][a-z0-9+.-]*:[\x21\x22\x24-\x5b\x5d-\x7e]+$/;
/** Schemes that run or show what follows instead of taking it somewhere. */
const RUNNING_SCHEMES: ReadonlySet<string> = new Set(['javascript:', 'data:', 'vbscript:', 'file:', 'blob:', 'about:']);
/** What a policy reads as its next source or directive (CSP): hosts stand in one where a form leads there. */
const PARTING = /[;,]/;
const LONGEST = 2_048;

/** Whether a browser may be sent there at all, registered or not. */
export function isSafeRedirectUri(uri: string): boolean {
  if (uri.length > LONGEST || !FORM.test(uri) || !URL.canParse(uri)) return false;
  const { protocol, host, username, password } = new URL(uri);
  return !RUNNING_SCHEMES.has(protocol) && !PARTING.test(host) && username === '' && password === '';
}

/**
 * Whether a client may be sent back there: exactly this address, over https, on the user's own machine, or to an app
 * (RFC 9700 §2.1, RFC 8252 §7). Whatever may be registered is safe, so that authorization does not refuse it.
 */
export function isRedirectUri(uri: string): boolean {
  if (!isSafeRedirectUri(uri) || uri.includes('*')) return false;
  const { protocol, hostname } = new URL(uri);
  if (protocol === 'https:') return true;
  if (protocol === 'http:') return LOOPBACK.has(hostname);
  return PRIVATE_SCHEME.test(protocol);
}

/** Throws `redirect_uri_refused` (400). @param member of the body that they are in */
export function assertRedirectUris(uris: readonly string[] = [], member = 'redirect_uris'): void {
  const at = uris.findIndex((uri) => !isRedirectUri(uri));
  if (at >= 0) throw redirectUriRefused({ problems: [{ at: `body/${member}/${at}`, why: 'not acceptable' }] });
}
