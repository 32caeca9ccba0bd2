import { redirectUriRefused } from './errors.ts';

const LOOPBACK = new Set(['127.0.0.1', '[::1]', 'localhost']);
/** A private-use scheme is a reversed domain name, so it has a dot (RFC 8252 §7.1). */
const PRIVATE_SCHEME = /^[a-z][a-z0-9+-]*\.[a-z0-9.+-]*:$/;
/** Printable ASCII with a lower-case scheme, without a fragment, and without backslashes, which browsers read as slashes. */
const FORM = /^(?!https?:(?!\/\/))[a-z][a-z0-9+.-]*:[\x21\x22\x24-\x5b\x5d-\x7e]+$/;
/** Schemes that run or display their content instead of sending the browser to a server. */
const RUNNING_SCHEMES: ReadonlySet<string> = new Set(['javascript:', 'data:', 'vbscript:', 'file:', 'blob:', 'about:']);
/** Ends a source or directive in a Content-Security-Policy: `form-action` contains the host of a redirect URI. */
const CSP_SEPARATOR = /[;,]/;
const MAX_LENGTH = 2_048;

/** Whether it is safe to redirect a browser to the URI, registered or not. */
export function isSafeRedirectUri(uri: string): boolean {
  if (uri.length > MAX_LENGTH || !FORM.test(uri) || !URL.canParse(uri)) return false;
  const { protocol, host, username, password } = new URL(uri);
  return !RUNNING_SCHEMES.has(protocol) && !CSP_SEPARATOR.test(host) && username === '' && password === '';
}

/**
 * Whether a client may register the URI: an exact address over https, on the user's own machine, or of an app
 * (RFC 9700 §2.1, RFC 8252 §7). Every accepted URI is also safe, so authorization does not refuse it later.
 */
export function isRedirectUri(uri: string): boolean {
  if (!isSafeRedirectUri(uri) || uri.includes('*')) return false;
  const { protocol, hostname } = new URL(uri);
  if (protocol === 'https:') return true;
  if (protocol === 'http:') return LOOPBACK.has(hostname);
  return PRIVATE_SCHEME.test(protocol);
}

/** Throws `redirect_uri_refused` (400). @param member of the body that contains them */
export function assertRedirectUris(uris: readonly string[] = [], member = 'redirect_uris'): void {
  const at = uris.findIndex((uri) => !isRedirectUri(uri));
  if (at >= 0) throw redirectUriRefused({ problems: [{ at: `body/${member}/${at}`, why: 'not acceptable' }] });
}
