import type { z } from 'zod';
import type { HasAccessChanged } from '#services/core/access/access-changed.ts';
import { clientSecretHash } from '#services/core/access/access-directory.ts';
import { certificateNamesOf, type GivenNames } from '#services/core/access/certificates/certificate-shapes.ts';
import { usesSecret } from '#services/core/access/client-auth-shapes.ts';
import type { ClientJwks } from '#services/core/access/client-keys.ts';
import { clientRecord } from '#services/core/access/client-record.ts';
import type { HasClientSettings } from '#services/core/access/client-settings.ts';
import { confidentialMethods, type HasPublicAddress } from '#services/core/access/server-metadata.ts';
import { unsignedAlgorithm } from '#services/core/access/signed-algorithms.ts';
import { setAuditContext } from '#services/core/audit/audit-context.ts';
import { isAnonymous } from '#services/core/authority/callers.ts';
import type { KeyRing } from '#services/core/keys/key-ring.ts';
import type { Caller, Ports } from '#services/core/ports.ts';
import { clientMetadataInvalid, registrationClosed, registrationFull } from '../client-errors.ts';
import { prefixHash } from '../open-requests.ts';
import { type ClientMetadata, readClientMetadata, stated } from './client-metadata.ts';
import { countRegisteredFrom, countUnvettedClients, insertUnvettedClient } from './unvetted-clients.store.ts';

export type SelfRegisterPorts = Pick<Ports, 'transact' | 'random'> &
  HasAccessChanged &
  Pick<HasPublicAddress, 'bindsCertificates' | 'certificateAuthorities'> &
  HasClientSettings & { readonly keyRing: Pick<KeyRing, 'secret' | 'signedAlgorithms'> };

/** The certificates of a client that authenticates by them, without the chains. */
type RegisteredCertificates = { readonly keys: readonly { readonly kty: string; readonly x5c: readonly string[] }[] };

type Answers = typeof clientRecord.registers.answers;

/** RFC 7591 §3.2.1. */
type RegisteredClient = GivenNames & { readonly [Member in keyof Answers]: z.output<Answers[Member]> } & {
  readonly client_id: string;
  readonly client_id_issued_at: number;
  readonly client_secret?: string;
  readonly client_secret_expires_at?: 0;
  readonly client_name: string;
  readonly redirect_uris: readonly string[];
  readonly post_logout_redirect_uris: readonly string[];
  readonly token_endpoint_auth_method: string;
  readonly jwks?: ClientJwks | RegisteredCertificates;
  readonly jwks_uri?: string;
  readonly grant_types: readonly string[];
  readonly response_types: readonly string[];
  readonly scope: string;
};

/** Maximum unvetted clients of each origin: every copy keeps all clients in memory. */
export const UNVETTED_CLIENTS_MAX = 10_000;
/** Unused clients per address or IPv6 /64: a twentieth of the maximum, so that one address cannot use it up. */
export const UNUSED_FROM_ONE_ADDRESS_MAX = 500;
const NAMELESS = 'An application without a name';

/** What was registered of keys, certificates or the name of a certificate. */
function recognisedBy(
  { authentication: { jwks, jwks_uri: jwksUri, certificate_identity: certificateIdentity } }: ClientMetadata,
  given: Readonly<Record<string, unknown>>,
): Pick<RegisteredClient, 'jwks' | 'jwks_uri' | keyof GivenNames> {
  if (jwksUri !== null) return { jwks_uri: jwksUri };
  if (jwks !== null) return { jwks: JSON.parse(jwks) as ClientJwks };
  if (certificateIdentity === null) return {};
  if ('name' in certificateIdentity) return certificateNamesOf(given);
  const { keys } = given.jwks as {
    readonly keys: readonly { readonly kty?: unknown; readonly x5c?: readonly string[] }[];
  };
  const certified = keys
    .filter(({ x5c }) => x5c !== undefined)
    .map(({ kty, x5c }) => ({ kty: String(kty), x5c: (x5c as readonly string[]).slice(0, 1) }));
  return { jwks: { keys: certified } };
}

/** The settings that the client registered; those that it left out and that have no value are left out. */
const registered = (metadata: ClientMetadata): { readonly [Member in keyof Answers]: z.output<Answers[Member]> } =>
  Object.fromEntries(
    Object.keys(clientRecord.registers.answers)
      .map((member) => [member, metadata[member as keyof Answers]] as const)
      .filter(([, value]) => value !== null),
  ) as { readonly [Member in keyof Answers]: z.output<Answers[Member]> };

/**
 * Registers a client at its own request (RFC 7591). Its users must consent, and the consent page says that the client
 * is unvetted; its scopes are limited, and it has no permissions of its own. Unless registration is open, the route
 * requires the permission clients:register; the initial access token (RFC 7591 §3) is an access token or API key that
 * has it.
 * Throws `client_registration_closed` (403), `client_metadata_invalid`, `client_redirect_uri_invalid` (400),
 * `client_registration_full`, `store_unavailable` (503).
 */
export async function selfRegisterClient(
  ports: SelfRegisterPorts,
  sent: Readonly<Record<string, unknown>>,
  caller: Caller,
): Promise<RegisteredClient> {
  const given = stated(sent);
  const { registration, scopes, audiences } = ports.clientSettings;
  if (registration === 'off') throw registrationClosed();
  const metadata = readClientMetadata(given, {
    // RFC 7591 §2; an application that cannot keep a secret asks for `none`.
    defaultAuthMethod: 'client_secret_basic',
    authMethods: [...confidentialMethods(ports), 'none'],
    scopes,
  });
  const unsigned = unsignedAlgorithm(metadata, ports.keyRing.signedAlgorithms());
  if (unsigned !== undefined) throw clientMetadataInvalid({ detail: unsigned });
  const clientId = ports.random.uuid();
  const secret = usesSecret(metadata.auth_method) ? ports.random.bytes(32).toString('base64url') : null;
  const name = metadata.name ?? NAMELESS;
  const registeredFrom = isAnonymous(caller) ? prefixHash(ports, caller.request) : null;
  const issuedAt = await ports.transact(async (tx) => {
    if ((await countUnvettedClients(tx, 'registration', UNVETTED_CLIENTS_MAX)) >= UNVETTED_CLIENTS_MAX)
      throw registrationFull({ retryAfterSeconds: 3_600 });
    if (
      registeredFrom !== null &&
      (await countRegisteredFrom(tx, registeredFrom, UNUSED_FROM_ONE_ADDRESS_MAX)) >= UNUSED_FROM_ONE_ADDRESS_MAX
    )
      throw registrationFull({ retryAfterSeconds: 3_600 });
    await setAuditContext(tx, caller);
    tx.afterCommit(ports.accessChanged);
    return insertUnvettedClient(tx, {
      id: ports.random.uuid(),
      clientId,
      secretHash: secret === null ? null : clientSecretHash(secret),
      name,
      metadata,
      audiences,
      origin: 'registration',
      documentUntilMs: null,
      userId: null,
      registeredFrom,
    });
  });
  return {
    client_id: clientId,
    client_id_issued_at: issuedAt as number,
    ...(secret === null ? {} : { client_secret: secret, client_secret_expires_at: 0 }),
    client_name: name,
    redirect_uris: metadata.redirect_uris,
    post_logout_redirect_uris: metadata.post_logout_redirect_uris,
    token_endpoint_auth_method: metadata.auth_method,
    ...recognisedBy(metadata, given),
    grant_types: metadata.grant_types,
    response_types: metadata.response_types,
    scope: metadata.scopes.join(' '),
    ...registered(metadata),
  };
}
