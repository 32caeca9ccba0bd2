// For tests only: client certificates, two of them self-signed, and their thumbprints by openssl. Their keys were discarded.
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';

const PEMS = readFileSync(resolve(import.meta.dirname, '../fixtures/client-certificates.pem'), 'utf8');

function pemOf(name: string): string {
  const [, pem] = new RegExp(`^${name}\\n(-----BEGIN[^]*?-----END CERTIFICATE-----\\n)`, 'm').exec(PEMS) ?? [];
  if (pem === undefined) throw new Error(`no certificate of the name ${name}`);
  return pem;
}

export type TestCertificate = { readonly pem: string; readonly thumbprint: string };
const certificateOf = (name: string, thumbprint: string): TestCertificate => ({ pem: pemOf(name), thumbprint });

export const CERTIFICATE = certificateOf('CERTIFICATE', '5bplhNHpAM2e0mT-2kIKFpDSTPoec2bmDhenbIQE4U0');

export const OTHER_CERTIFICATE = certificateOf('OTHER_CERTIFICATE', 'AE24y7usmB-s1LV0cT3v93AZkSi1dVGA6t1jlxf7ByQ');

/** An authority, as PEM. */
export const AUTHORITY = pemOf('AUTHORITY');

export const BANK_SUBJECT = 'emailAddress=ops@bank.example,OU=Payments+CN=client \\"one\\",O=Bank\\, Inc.,C=DE';

/** Issued by `AUTHORITY` to clients, with every kind of name; its subject is `BANK_SUBJECT`. */
export const BANK_CERTIFICATE = certificateOf('BANK_CERTIFICATE', 'krrW8wjkVX6wxSiZnVZPq0T7B035wj16ZsMaoCNSTPE');

/** Of the same subject and authority, but for servers (extended key usage). */
export const SERVER_CERTIFICATE = certificateOf('SERVER_CERTIFICATE', 'p9k_UTy0j1xQv5i7zadpMeV1cLuJXmuEm41CAWWvLwI');

/** Of the same names, issued by another authority with the same name. */
export const IMPOSTER_CERTIFICATE = certificateOf(
  'IMPOSTER_CERTIFICATE',
  'PHk4KTg_cztk-wiEnTPYErNVlKl-WkecwK46CJsHIsk',
);

/** Issued by `AUTHORITY`: its common name contains what looks like other RDNs. */
export const ODD_CERTIFICATE = certificateOf('ODD_CERTIFICATE', 'ZtY1njZOEx0wM9mkTSclwrC3aJb6gqcMX5Lxpc3AnY0');

/** Issued by `AUTHORITY` to CN=expired, for the year 2020. */
export const EXPIRED_CERTIFICATE = certificateOf('EXPIRED_CERTIFICATE', 'XIuJlKfagPMZqFerBMvdBPOMCLzI5y727b_rzxPKrFM');

/** An authority of the year 2020. */
export const PAST_AUTHORITY = pemOf('PAST_AUTHORITY');

/** Issued by `PAST_AUTHORITY` to CN=orphan; itself valid for a century. */
export const ORPHAN_CERTIFICATE = certificateOf('ORPHAN_CERTIFICATE', 'xrnX7ceXPBcvkYQR9T-jRtSIMgVUXm0yX_6G5pDozS0');

/** DER in base64, as RFC 9440 writes it between colons. */
export const derOf = ({ pem }: TestCertificate): string => pem.replaceAll(/-----[A-Z ]+-----|\n/g, '');
