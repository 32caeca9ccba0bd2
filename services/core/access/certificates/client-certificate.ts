import { hash, X509Certificate } from 'node:crypto';
import { isIP } from 'node:net';
import type { CertificateName } from './certificate-shapes.ts';
import { canonicalName } from './distinguished-name.ts';

/** A client certificate that a proxy forwarded. Nothing says that it is trusted. */
export type ClientCertificate = {
  /** SHA-256 in base64url (RFC 8705 §3.1). */
  readonly thumbprint: string;
  readonly x509: X509Certificate;
};

/** Twice the size of a percent-encoded certificate with a 4,096-bit key and a full name. */
const LONGEST = 12_288;
const PEM = /^-----BEGIN CERTIFICATE-----([A-Za-z0-9+/=\s]+)-----END CERTIFICATE-----\s*$/;
/** Base64 of the DER bytes; in colons if it is a byte sequence of RFC 9440 §2.1. */
const BASE64 = /^(:?)([A-Za-z0-9+/]+={0,2})\1$/;

/** Certificates by header: clients reuse their certificates, and parsing one costs as much as a signature. */
const known = new Map<string, ClientCertificate | null>();
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

/** The certificate of these DER bytes; null for anything else, also for a certificate with bytes after it. */
export function certificateOfDer(bytes: Buffer): ClientCertificate | null {
  try {
    const x509 = new X509Certificate(bytes);
    return x509.raw.equals(bytes) ? { thumbprint: hash('sha256', x509.raw, 'base64url'), x509 } : null;
  } catch {
    return null;
  }
}

function certificateOf(header: string): ClientCertificate | null {
  const bytes = header.length > LONGEST ? null : bytesOf(header);
  return bytes === null ? null : certificateOfDer(bytes);
}

/**
 * The certificate that a proxy forwards: `Client-Cert` of RFC 9440, a percent-encoded PEM (nginx
 * `$ssl_client_escaped_cert`, AWS `X-Amzn-Mtls-Clientcert`) or bare base64 of the DER (HAProxy, Traefik). Null for any
 * other header, also for several certificates.
 */
export function forwardedCertificate(header: string): ClientCertificate | null {
  const found = known.get(header);
  if (found !== undefined) return found;
  const certificate = certificateOf(header);
  if (known.size >= KNOWN_MAXIMUM) known.clear();
  known.set(header, certificate);
  return certificate;
}

export const isWithinValidity = ({ x509 }: Pick<ClientCertificate, 'x509'>, nowMs: number): boolean =>
  nowMs >= x509.validFromDate.getTime() && nowMs <= x509.validToDate.getTime();

/** No wildcard of the certificate matches, and the subject is not read as a host name. */
const EXACTLY = { subject: 'never', wildcards: false } as const;

/** Node separates alternative names by commas, and writes one that contains a comma or quote as a JSON string. */
const ALTERNATIVE_NAME = /([A-Za-z ]+):("(?:[^"\\]|\\.)*"|[^,"]*)(?:, |$)/y;

function uriNames(alternativeNames: string): string[] {
  const names: string[] = [];
  ALTERNATIVE_NAME.lastIndex = 0;
  for (let found = ALTERNATIVE_NAME.exec(alternativeNames); found !== null; ) {
    const [, kind, text] = found as unknown as readonly [string, string, string];
    if (kind === 'URI') names.push(text.startsWith('"') ? (JSON.parse(text) as string) : text);
    found = ALTERNATIVE_NAME.lastIndex < alternativeNames.length ? ALTERNATIVE_NAME.exec(alternativeNames) : null;
  }
  return names;
}

/** Node lists the RDNs of a subject one in each line, in the order of the certificate, with control characters escaped. */
function hasSubject(subject: string | undefined, name: string): boolean {
  const expected = canonicalName(name);
  return expected !== null && canonicalName((subject ?? '').split('\n').reverse().join(',')) === expected;
}

/** Whether the certificate has this name. Whether the name can be trusted depends on who issued the certificate. */
export function hasName({ x509 }: Pick<ClientCertificate, 'x509'>, kind: CertificateName, name: string): boolean {
  switch (kind) {
    case 'subject_dn':
      return hasSubject(x509.subject, name);
    case 'san_dns':
      return x509.checkHost(name, EXACTLY) !== undefined;
    case 'san_uri':
      return uriNames(x509.subjectAltName ?? '').includes(name);
    case 'san_ip':
      return isIP(name) !== 0 && x509.checkIP(name) !== undefined;
    case 'san_email':
      return x509.checkEmail(name, { subject: 'never' }) !== undefined;
  }
}
