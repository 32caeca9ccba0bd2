import type { IncomingHttpHeaders } from 'node:http';

/** Longest Authorization header read; a longer one cannot be one of our credentials. */
const MAXIMUM_HEADER = 16_384;

const BEARER = /^(Bearer|DPoP) +([A-Za-z0-9\-._~+/]+=*)$/i;
const BASIC = /^Basic +([A-Za-z0-9+/]+={0,2})$/i;

export type SentCredential =
  | { readonly kind: 'none' }
  | { readonly kind: 'bearer' | 'dpop'; readonly token: string }
  | { readonly kind: 'basic'; readonly clientId: string; readonly clientSecret: string }
  /** Present but unreadable: the request is refused. */
  | { readonly kind: 'malformed' };

/**
 * Returns a request's bearer token, or null; never throws (RFC 6750 §2.1). Tokens in query or body are not read.
 */
export function extractTokenFromRequest(request: { readonly headers: IncomingHttpHeaders }): string | null {
  const sent = sentCredential(request.headers);
  return sent.kind === 'bearer' || sent.kind === 'dpop' ? sent.token : null;
}

// RFC 6749 §2.3.1: both halves are form-encoded before Base64.
const formDecoded = (text: string): string | null => {
  if (!/[%+]/.test(text)) return text;
  try {
    return decodeURIComponent(text.replaceAll('+', '%20'));
  } catch {
    return null;
  }
};

/** Another header for bearer credentials; API keys only. */
const sentApiKey = (header: string | string[]): SentCredential =>
  typeof header === 'string' && /^sp_ak_\w{1,128}$/.test(header)
    ? { kind: 'bearer', token: header }
    : { kind: 'malformed' };

export function sentCredential(headers: IncomingHttpHeaders): SentCredential {
  const header = headers.authorization;
  const apiKey = headers['x-api-key'];
  if (apiKey !== undefined) return header === undefined ? sentApiKey(apiKey) : { kind: 'malformed' };
  if (header === undefined) return { kind: 'none' };
  if (header.length > MAXIMUM_HEADER) return { kind: 'malformed' };
  const bearer = BEARER.exec(header);
  if (bearer?.[1] && bearer[2])
    return { kind: bearer[1].toLowerCase() === 'dpop' ? 'dpop' : 'bearer', token: bearer[2] };
  const basic = BASIC.exec(header);
  if (!basic?.[1]) return { kind: 'malformed' };
  const decoded = Buffer.from(basic[1], 'base64').toString('utf8');
  const colon = decoded.indexOf(':');
  if (colon < 0) return { kind: 'malformed' };
  const clientId = formDecoded(decoded.slice(0, colon));
  const clientSecret = formDecoded(decoded.slice(colon + 1));
  return clientId === null || clientSecret === null ? { kind: 'malformed' } : { kind: 'basic', clientId, clientSecret };
}
