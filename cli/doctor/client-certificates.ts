import { type Check, pass, type Result, warn } from '#services/core/health/doctor-check.ts';
import { defineStatement } from '#services/platform/define/statement.ts';
import { withDatabase } from '../database-ports.ts';

/** Reads every client; there are few, and copies read them all too. */
const certificateFacts = defineStatement(
  'doctorClientCertificateFacts',
  `SELECT count(*) FILTER (WHERE auth_method = 'tls_client_auth')::int AS by_name,
     count(*) FILTER (WHERE auth_method = 'self_signed_tls_client_auth')::int AS by_certificate
   FROM oauth_clients`,
);

/** How many clients authenticate by the name in a certificate, and by the certificate itself. */
type CertificateFacts = { readonly by_name: number; readonly by_certificate: number };

/** The settings without which no client can do so. */
type CertificateSettings = { readonly isForwarded: boolean; readonly hasAuthorities: boolean };

export function certificatesResult(
  { by_name: byName, by_certificate: byCertificate }: CertificateFacts,
  { isForwarded, hasAuthorities }: CertificateSettings,
): Result {
  const clients = byName + byCertificate;
  if (clients > 0 && !isForwarded)
    return warn(
      `no client certificate is read, and ${clients} clients authenticate only by one`,
      'set CLIENT_CERT_HEADER and TRUSTED_PROXIES: docs/how-to/operate.md, "Client certificates"',
    );
  if (byName > 0 && !hasAuthorities)
    return warn(
      `no authority of client certificates is known, and ${byName} clients use tls_client_auth`,
      'set CLIENT_CERT_CA_FILE to a PEM file with the authorities that issue client certificates',
    );
  return pass(
    clients === 0 ? 'no client authenticates by certificate' : `${clients} clients authenticate by certificate`,
  );
}

/** Checks that clients which authenticate by certificate can do so. */
export const clientCertificatesCheck: Check = {
  name: 'client certificates',
  needs: 'databaseUrl',
  run: (settings) =>
    withDatabase(
      async ({ sql }) => {
        const [facts] = await sql.query<CertificateFacts>(certificateFacts);
        const { clientCertHeader, clientCertAuthoritiesFile } = (await settings()).server;
        return certificatesResult(facts as CertificateFacts, {
          isForwarded: clientCertHeader !== undefined,
          hasAuthorities: clientCertAuthoritiesFile !== undefined,
        });
      },
      process.env,
      { isHeldToMarks: false },
    ),
};
