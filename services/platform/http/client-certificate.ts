import { hash, X509Certificate } from 'node:crypto';

/** Twice the size of a percent-encoded certificate with a 4,096-bit key and a full name. */
const LONGEST = 12_288;
const PEM = /^-----BEGIN CERTIFICATE-----([A-Za-z0-9+/=\s]+)-----END CERTIFICATE-----\s*$/;
/** Base64 of the DER bytes; in colons if it is a byte sequence of RFC 9440 §2.1. */
const BASE64 = /^(:?)([A-Za-z0-9+/]+={0,2})\1$/;

/** Thumbprints by header: clients reuse their certificates, and parsing one costs as much as a signature. */
const known = new Map<string, string | null>();
const KNOWN_MAXIMUM = 1_000;

function bytesOf(header: string): Buffer | null {
  let text: string;
  try {
    text = decodeURIComponent(header);
  } catch {
    return null;
  }
  const base64 = BASE64.exec(text)?.[2] ?? PEM.exec(text)?.[1];
  return base64 === undefined ? null : Buffer.from(base64, 'base64');
}

function thumbprintOf(header: string): string | null {
  const bytes = header.length > LONGEST ? null : bytesOf(header);
  if (bytes === null) return null;
  try {
    const { raw } = new X509Certificate(bytes);
    return raw.equals(bytes) ? hash('sha256', raw, 'base64url') : null;
  } catch {
    return null;
  }
}

/**
 * SHA-256 thumbprint (RFC 8705 §3.1) of the certificate that a proxy forwards: `Client-Cert` of RFC 9440, a
 * percent-encoded PEM (nginx `$ssl_client_escaped_cert`, AWS `X-Amzn-Mtls-Clientcert`) or bare base64 of the DER
 * (HAProxy, Traefik). Null for any other header, also for several certificates.
 */
export function certificateThumbprint(header: string): string | null {
  const found = known.get(header);
  if (found !== undefined) return found;
  const thumbprint = thumbprintOf(header);
  if (known.size >= KNOWN_MAXIMUM) known.clear();
  known.set(header, thumbprint);
  return thumbprint;
}
