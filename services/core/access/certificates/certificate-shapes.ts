/** Names of a certificate by which a client can be registered (RFC 8705 §2.1.2). */
export const CERTIFICATE_NAMES = ['subject_dn', 'san_dns', 'san_uri', 'san_ip', 'san_email'] as const;
export type CertificateName = (typeof CERTIFICATE_NAMES)[number];

/** The members of client metadata that name a certificate, in the same order. */
export const CERTIFICATE_NAME_MEMBERS = CERTIFICATE_NAMES.map((name) => `tls_client_auth_${name}` as const);

/** Certificates that a client may register, so that it can change from one to the next. */
export const CERTIFICATES_MAX = 10;
/** Base64 length of a certificate with a 4,096-bit key and a full name. */
export const CERTIFICATE_LENGTH_MAX = 8_192;
export const CERTIFICATE_NAME_LENGTH_MAX = 1_024;

/** The certificate names in a larger object; all members are optional. */
export type GivenNames = { readonly [Name in CertificateName as `tls_client_auth_${Name}`]?: string | undefined };

/** Only these members of an object. */
export const certificateNamesOf = (given: GivenNames): GivenNames =>
  Object.fromEntries(
    CERTIFICATE_NAME_MEMBERS.flatMap((member) => (given[member] === undefined ? [] : [[member, given[member]]])),
  );
