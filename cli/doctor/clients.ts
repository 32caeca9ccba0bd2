import { type Check, pass, type Result, warn } from '#services/core/health/doctor-check.ts';
import { ACCESS_PURPOSE } from '#services/core/keys/key-timeline.ts';
import { defineStatement } from '#services/platform/define/statement.ts';
import { inspectDatabase } from '../database-ports.ts';

const NAMED = 5;

/** Reads every client; there are few, and copies read them all too. */
const clientFacts = defineStatement('doctorClientFacts')`
  SELECT count(*)::int AS clients,
    coalesce(array_agg("clientId" ORDER BY "clientId") FILTER (WHERE pkce = 'optional'), '{}') AS without_pkce,
    coalesce(array_agg("clientId" ORDER BY "clientId") FILTER (WHERE profile = 'fapi2'
      AND (id_token_signed_response_alg IS NULL OR access_token_signed_response_alg IS NULL)
      AND EXISTS (SELECT FROM jwks WHERE purpose = '${ACCESS_PURPOSE}' AND alg = 'RS256' AND compromised_at IS NULL
        AND signs @> clock_timestamp())), '{}') AS fapi_with_rs256
  FROM oauth_clients`;

type ClientFacts = {
  readonly clients: number;
  /** Ids of the clients that may request codes without PKCE. */
  readonly without_pkce: readonly string[];
  /** Ids of the clients of the profile `fapi2` whose tokens are signed with RS256, the default now. */
  readonly fapi_with_rs256: readonly string[];
};

function namesOf(clientIds: readonly string[]): string {
  const rest = clientIds.length - NAMED;
  return `${clientIds.slice(0, NAMED).join(', ')}${rest > 0 ? ` and ${rest} more` : ''}`;
}

const withRs256Fix = (clientId: string): string =>
  `set JWT_ADDITIONAL_ALGORITHMS=ES256 and restart; when its key signs: npx sallyport clients update ${clientId} --profile fapi2 --reason <why>`;
const withoutPkceFix = (clientId: string): string =>
  `when the client sends a code_challenge: npx sallyport clients update ${clientId} --pkce required --reason <why>`;

export function clientsResult({
  clients,
  without_pkce: withoutPkce,
  fapi_with_rs256: fapiWithRs256,
}: ClientFacts): Result {
  const [fapi] = fapiWithRs256;
  const [exempt] = withoutPkce;
  const evidence = [
    `${clients} registered`,
    ...(fapi === undefined ? [] : [`FAPI 2.0 tokens signed with RS256 for ${namesOf(fapiWithRs256)}`]),
    exempt === undefined ? 'PKCE required of all' : `PKCE optional for ${namesOf(withoutPkce)}`,
  ].join(', ');
  if (fapi !== undefined) return warn(evidence, withRs256Fix(fapi));
  return exempt === undefined ? pass(evidence) : warn(evidence, withoutPkceFix(exempt));
}

/** Shows the clients that an administrator exempted from a protection, or that do not get what their profile promises. */
export const clientsCheck: Check = {
  name: 'clients',
  needs: 'databaseUrl',
  run: () =>
    inspectDatabase(async ({ sql }) => {
      const [facts] = await sql.query<ClientFacts>(clientFacts);
      return clientsResult(facts as ClientFacts);
    }),
};

/** Reads every client; there are few, and copies read them all too. */
const certificateFacts = defineStatement('doctorClientCertificateFacts')`
  SELECT count(*) FILTER (WHERE auth_method = 'tls_client_auth')::int AS by_name,
    count(*) FILTER (WHERE auth_method = 'self_signed_tls_client_auth')::int AS by_certificate
  FROM oauth_clients`;

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

export const clientCertificatesCheck: Check = {
  name: 'client certificates',
  needs: 'databaseUrl',
  run: (settings) =>
    inspectDatabase(async ({ sql }) => {
      const [facts] = await sql.query<CertificateFacts>(certificateFacts);
      const { clientCertHeader, clientCertAuthoritiesFile } = (await settings()).server;
      return certificatesResult(facts as CertificateFacts, {
        isForwarded: clientCertHeader !== undefined,
        hasAuthorities: clientCertAuthoritiesFile !== undefined,
      });
    }),
};
