import { isIP } from 'node:net';
import { hasSecretMember, isObject } from '../client-keys.ts';
import type { CertificateAuthorities } from './certificate-authorities.ts';
import {
  CERTIFICATE_LENGTH_MAX,
  CERTIFICATE_NAME_LENGTH_MAX,
  CERTIFICATE_NAME_MEMBERS,
  CERTIFICATE_NAMES,
  CERTIFICATES_MAX,
  type CertificateName,
  type GivenNames,
} from './certificate-shapes.ts';
import { type ClientCertificate, certificateOfDer, hasName, isWithinValidity } from './client-certificate.ts';
import { canonicalName } from './distinguished-name.ts';

/**
 * How a client is recognised by its certificate: by a name that an authority vouches for (`tls_client_auth`, RFC 8705
 * §2.1), or by the certificate itself (`self_signed_tls_client_auth`, §2.2). Stored as JSON.
 */
export type CertificateIdentity =
  | { readonly name: CertificateName; readonly value: string }
  | { readonly thumbprints: readonly string[] };

const BASE64 = /^[A-Za-z0-9+/]+={0,2}$/;
/** RFC 1123 host name: no wildcard, and not the leading dot that would match every name below. */
const LABEL = /^[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?$/;
const HOST_NAME_MAX = 253;
const EMAIL = /^[\x21-\x3f\x41-\x7e]{1,64}@[\x21-\x3f\x41-\x7e]{1,255}$/;
const URI = /^[\x21-\x7e]+$/;

const isHostName = (value: string): boolean =>
  value.length <= HOST_NAME_MAX && value.split('.').every((label) => LABEL.test(label));

const problems: Readonly<Record<CertificateName, (value: string) => string | null>> = {
  subject_dn: (value) => (canonicalName(value) === null ? 'is not a distinguished name (RFC 4514)' : null),
  san_dns: (value) => (isHostName(value) ? null : 'is not a host name without wildcards'),
  san_uri: (value) => (URI.test(value) && URL.canParse(value) ? null : 'is not a URI'),
  san_ip: (value) => (isIP(value) === 0 || value.includes('%') ? 'is not an IP address' : null),
  san_email: (value) => (EMAIL.test(value) ? null : 'is not an e-mail address'),
};

type NameProblem = { readonly at: `tls_client_auth_${CertificateName}`; readonly why: string };

/** The one name of a client with `tls_client_auth`, or why the names are refused. */
export function identityOfNames(given: GivenNames): CertificateIdentity | NameProblem {
  const [first, ...more] = CERTIFICATE_NAMES.filter((name) => given[`tls_client_auth_${name}`] !== undefined);
  if (first === undefined || more.length > 0)
    return {
      at: `tls_client_auth_${more[0] ?? 'subject_dn'}`,
      why: `must be given, or one of the others, and only one: ${CERTIFICATE_NAME_MEMBERS.join(', ')}`,
    };
  const at = `tls_client_auth_${first}` as const;
  const value = given[at] as string;
  const why = value.length > CERTIFICATE_NAME_LENGTH_MAX ? 'is too long' : problems[first](value);
  return why === null ? { name: first, value } : { at, why };
}

/**
 * The certificates of a JWK set (`x5c`, RFC 7517 §4.7), or why the set is refused. Only the first of each chain counts.
 * Keys without a certificate are left out, so that a set may also have keys for other purposes.
 */
export function identityOfJwks(
  given: unknown,
  certificatesMax: number = CERTIFICATES_MAX,
): { readonly thumbprints: readonly string[] } | string {
  if (!isObject(given) || !Array.isArray(given.keys)) return 'is not a JWK set (RFC 7517 §5)';
  if (given.keys.length > certificatesMax) return `has more than ${certificatesMax} keys`;
  const thumbprints = new Set<string>();
  for (const jwk of given.keys as readonly unknown[]) {
    if (!isObject(jwk)) return 'has a key that is not an object';
    if (hasSecretMember(jwk)) return 'contains a private or symmetric key';
    if (jwk.x5c === undefined) continue;
    const [der] = Array.isArray(jwk.x5c) ? (jwk.x5c as readonly unknown[]) : [];
    const isText = typeof der === 'string' && der.length <= CERTIFICATE_LENGTH_MAX && BASE64.test(der);
    const certificate = isText ? certificateOfDer(Buffer.from(der, 'base64')) : null;
    if (certificate === null) return 'has a key without a readable certificate in x5c';
    thumbprints.add(certificate.thumbprint);
  }
  return thumbprints.size === 0 ? 'has no certificate in x5c' : { thumbprints: [...thumbprints] };
}

/** What a certificate says of a client. `expired`: it is the client's, but not within its validity period. */
export type CertificateDecision = 'ok' | 'expired' | 'another';

const decide = (isItsOwn: boolean, certificate: ClientCertificate, nowMs: number): CertificateDecision => {
  if (!isItsOwn) return 'another';
  return isWithinValidity(certificate, nowMs) ? 'ok' : 'expired';
};

/** Whether the certificate is one of these, now. */
export const isAmong = (
  thumbprints: readonly string[],
  certificate: ClientCertificate,
  nowMs: number,
): CertificateDecision => decide(thumbprints.includes(certificate.thumbprint), certificate, nowMs);

/**
 * Whether this certificate is the client's, now. A name counts only if a configured authority issued the certificate: in
 * its own certificate anyone can write any name.
 */
export function isCertificateOf(
  identity: CertificateIdentity,
  certificate: ClientCertificate,
  authorities: CertificateAuthorities,
  nowMs: number,
): CertificateDecision {
  if ('thumbprints' in identity) return isAmong(identity.thumbprints, certificate, nowMs);
  const isNamed = authorities.haveIssued(certificate, nowMs) && hasName(certificate, identity.name, identity.value);
  return decide(isNamed, certificate, nowMs);
}
