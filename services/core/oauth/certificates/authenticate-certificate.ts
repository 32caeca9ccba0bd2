import { clientCertificates } from '#observability/metrics/oauth.ts';
import type { Client, HasAccess } from '#services/core/access/access-directory.ts';
import type { HasCertificateAuthorities } from '#services/core/access/certificates/certificate-authorities.ts';
import {
  type CertificateDecision,
  isAmong,
  isCertificateOf,
} from '#services/core/access/certificates/certificate-identity.ts';
import type { ClientCertificate } from '#services/core/access/certificates/client-certificate.ts';
import { usesCertificate } from '#services/core/access/client-auth-shapes.ts';
import { callerOfClient } from '#services/core/access/client-caller.ts';
import type { Caller, Ports, RequestContext } from '#services/core/ports.ts';
import type { HasNewest } from '#services/core/revocations/confirm-state.ts';
import { newestClient } from '#services/core/tokens/issue/newest-client.ts';
import { clientUnauthenticated } from '#services/platform/errors.ts';
import { clientKeysNotRead, type HasClientKeySets, KeysNotRead, outcomeOf } from '../assertions/client-key-sets.ts';

export type CertificatePorts = Pick<Ports, 'clock'> &
  HasAccess &
  HasNewest &
  HasClientKeySets &
  HasCertificateAuthorities;

type Outcome = Exclude<CertificateDecision, 'ok'> | 'none' | 'unreadable' | 'disabled';

function refused(outcome: Outcome, detail?: string): Error {
  clientCertificates.add(1, { outcome });
  return clientUnauthenticated(detail === undefined ? {} : { detail });
}

/** Among the certificates that the client publishes; a certificate that is not known may be a new one. */
async function decideByAddress(
  { clientKeySets, clock }: CertificatePorts,
  client: Client,
  certificate: ClientCertificate,
): Promise<CertificateDecision> {
  const decision = await clientKeySets.decideByCertificates(
    client,
    (thumbprints) => isAmong(thumbprints, certificate, clock.now()),
    (known) => known === 'another',
  );
  if (!(decision instanceof KeysNotRead)) return decision;
  clientCertificates.add(1, { outcome: outcomeOf(decision) });
  throw clientKeysNotRead(decision);
}

async function decisionOn(
  ports: CertificatePorts,
  client: Client,
  certificate: ClientCertificate,
): Promise<CertificateDecision> {
  const { certificate_identity: certificateIdentity } = client;
  if (certificateIdentity === null) return decideByAddress(ports, client, certificate);
  return isCertificateOf(certificateIdentity, certificate, ports.certificateAuthorities, ports.clock.now());
}

/**
 * Authenticates a client by the certificate of its connection (`tls_client_auth`, `self_signed_tls_client_auth`, RFC 8705
 * §2). Undefined if the client authenticates by another method.
 * Throws `client_unauthenticated` (401), `client_keys_busy`, `client_keys_unavailable` (503).
 * @param certificate forwarded by a trusted proxy; null: unreadable, undefined: none
 */
export async function authenticateCertificate(
  ports: CertificatePorts,
  clientId: string,
  certificate: ClientCertificate | null | undefined,
  request: RequestContext,
): Promise<Caller | undefined> {
  const client = await newestClient(ports, clientId);
  if (client === undefined || !usesCertificate(client.auth_method)) return undefined;
  if (client.disabled) throw refused('disabled');
  if (certificate === null) throw refused('unreadable', 'The certificate of the connection cannot be read.');
  if (certificate === undefined)
    throw refused('none', 'The connection has no client certificate from a trusted proxy.');
  const decision = await decisionOn(ports, client, certificate);
  // Only the holder of the certificate learns this.
  if (decision === 'expired') throw refused(decision, 'The certificate is expired or not valid yet.');
  if (decision === 'another') throw refused(decision);
  clientCertificates.add(1, { outcome: decision });
  return callerOfClient(ports.access, client, 'certificate', request);
}
