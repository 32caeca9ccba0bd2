import { X509Certificate } from 'node:crypto';
import { type ClientCertificate, isWithinValidity } from './client-certificate.ts';

/** The authorities whose client certificates are accepted. */
export type CertificateAuthorities = {
  /** False if no authority is configured. */
  readonly exist: boolean;
  /** Whether one of them issued the certificate, for clients, and that authority is within its validity period. */
  haveIssued(certificate: ClientCertificate, nowMs: number): boolean;
};

export type HasCertificateAuthorities = { readonly certificateAuthorities: CertificateAuthorities };

const PEM = /-----BEGIN CERTIFICATE-----[A-Za-z0-9+/=\s]+-----END CERTIFICATE-----/g;
const AUTHORITIES_MAX = 50;
/** RFC 5280 §4.2.1.12: a certificate that names purposes must name this one. */
const CLIENT_AUTHENTICATION = '1.3.6.1.5.5.7.3.2';

/** RSA and ECDSA with SHA-2, RSASSA-PSS, EdDSA. A collision of an older hash would let others write the certificate. */
const SIGNATURES: ReadonlySet<string> = new Set([
  '1.2.840.113549.1.1.10',
  '1.2.840.113549.1.1.11',
  '1.2.840.113549.1.1.12',
  '1.2.840.113549.1.1.13',
  '1.2.840.10045.4.3.2',
  '1.2.840.10045.4.3.3',
  '1.2.840.10045.4.3.4',
  '1.3.101.112',
  '1.3.101.113',
]);

/** The extension `nameConstraints` (RFC 5280 §4.2.1.10), encoded. It limits names in a way that is not verified here. */
const NAME_CONSTRAINTS = Buffer.from('0603551d1e', 'hex');

/** Issuers by thumbprint: a signature is verified once for each certificate. */
const KNOWN_MAXIMUM = 1_000;

/**
 * The certificates of a PEM text. Throws an Error that names the problem if the text has none, or one that is not an
 * authority's or whose limits are not verified.
 */
export function readAuthorities(pem: string): X509Certificate[] {
  const found = pem.match(PEM) ?? [];
  if (found.length === 0) throw new Error('contains no certificate in PEM');
  if (found.length > AUTHORITIES_MAX) throw new Error(`contains more than ${AUTHORITIES_MAX} certificates`);
  return found.map((text, index) => {
    let x509: X509Certificate;
    try {
      x509 = new X509Certificate(text);
    } catch {
      throw new Error(`contains an unreadable certificate, number ${index + 1}`);
    }
    if (!x509.ca) throw new Error(`contains a certificate that is not an authority's, number ${index + 1}`);
    if (x509.raw.includes(NAME_CONSTRAINTS))
      throw new Error(`contains an authority with name constraints, which are not verified, number ${index + 1}`);
    return x509;
  });
}

const isForClients = ({ keyUsage }: X509Certificate): boolean =>
  keyUsage === undefined || keyUsage.includes(CLIENT_AUTHENTICATION);

/**
 * Verifies certificates against these authorities. A certificate must be issued directly by one of them: list the
 * intermediate authority that issues, not only its root. The proxy checks revocation.
 */
export function createCertificateAuthorities(authorities: readonly X509Certificate[]): CertificateAuthorities {
  const issuers = new Map<string, X509Certificate | null>();

  function issuerOf({ thumbprint, x509 }: ClientCertificate): X509Certificate | null {
    const known = issuers.get(thumbprint);
    if (known !== undefined) return known;
    const issuer = SIGNATURES.has(x509.signatureAlgorithmOid)
      ? authorities.find((authority) => x509.checkIssued(authority) && x509.verify(authority.publicKey))
      : undefined;
    if (issuers.size >= KNOWN_MAXIMUM) issuers.clear();
    issuers.set(thumbprint, issuer ?? null);
    return issuer ?? null;
  }

  return {
    exist: authorities.length > 0,
    haveIssued(certificate, nowMs) {
      if (!isForClients(certificate.x509)) return false;
      const issuer = issuerOf(certificate);
      return issuer !== null && isWithinValidity({ x509: issuer }, nowMs);
    },
  };
}
