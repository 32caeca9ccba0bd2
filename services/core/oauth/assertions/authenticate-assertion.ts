import { hash } from 'node:crypto';
import { clientAssertions } from '#observability/metrics/oauth.ts';
import type { Client, HasAccess } from '#services/core/access/access-directory.ts';
import type { SentAssertion } from '#services/core/access/assertion-shapes.ts';
import { ASSERTION_ALGORITHMS, FAPI_ALGORITHMS } from '#services/core/access/client-auth-shapes.ts';
import { callerOfClient } from '#services/core/access/client-caller.ts';
import type { Caller, Ports, RequestContext } from '#services/core/ports.ts';
import type { HasNewest } from '#services/core/revocations/confirm-state.ts';
import { newestClient } from '#services/core/tokens/issue/newest-client.ts';
import type { HasTokenSettings } from '#services/core/tokens/token-settings.ts';
import { clientUnauthenticated } from '#services/platform/errors.ts';
import {
  claimsProblem,
  isUsedOnce,
  type ReadAssertion,
  type ReadJwt,
  readAssertion,
  verifyAssertionSignature,
  workloadClaimsProblem,
} from './client-assertion.ts';
import { clientKeysNotRead, type HasClientKeySets, KeysNotRead, outcomeOf } from './client-key-sets.ts';
import type { HasUsedAssertions } from './used-assertions.ts';

export type AssertionPorts = Pick<Ports, 'clock'> &
  HasAccess &
  HasNewest &
  HasClientKeySets &
  HasUsedAssertions &
  HasTokenSettings;

/** Used assertions are kept this long after they expire, for copies whose clocks are behind. */
export const KEPT_AFTER_SECONDS = 60;

function refused(outcome: 'invalid' | 'replayed', detail?: string): Error {
  clientAssertions.add(1, { outcome });
  return clientUnauthenticated(detail === undefined ? {} : { detail });
}

/** Verifies a signature by the keys of a client or issuer, read again where it may have a new one. */
export const verifyByKeys = (
  { clientKeySets }: HasClientKeySets,
  keyed: Pick<Client, 'jwks' | 'jwks_uri' | 'origin' | 'profile'>,
  { text, hasKid }: ReadJwt,
) =>
  clientKeySets.decideByKeys(
    keyed,
    (keys) => verifyAssertionSignature(text, keys, keyed.profile === 'fapi2' ? FAPI_ALGORITHMS : ASSERTION_ALGORITHMS),
    // Without a kid, a new key shows only as a signature that does not verify.
    (signed) => signed === 'unknown-key' || (signed === 'invalid' && !hasKid),
  );

async function assertSigned(ports: AssertionPorts, client: Client, read: ReadAssertion): Promise<void> {
  const found = await verifyByKeys(ports, client, read);
  if (found instanceof KeysNotRead) {
    clientAssertions.add(1, { outcome: outcomeOf(found) });
    throw clientKeysNotRead(found);
  }
  if (found !== 'ok') throw refused('invalid');
}

/**
 * Authenticates a client by an assertion that it signed (`private_key_jwt`, RFC 7523 §3), or that the issuer of its
 * workload did. Each works once, on one copy: the used ones are in Postgres; a token without `jti`, or one that its binding
 * calls reusable, works until it expires. Errors say what is wrong with a claim only to the holder of the assertion.
 * Throws `client_unauthenticated` (401), `client_keys_busy`, `client_keys_unavailable`, `store_unavailable` (503).
 */
export async function authenticateAssertion(
  ports: AssertionPorts,
  sent: SentAssertion,
  request: RequestContext,
): Promise<Caller> {
  const read = readAssertion(sent);
  const client = read === null ? undefined : await newestClient(ports, read.clientId);
  if (read === null || client === undefined || client.disabled || client.auth_method !== 'private_key_jwt')
    throw refused('invalid');
  await assertSigned(ports, client, read);
  const now = Math.floor(ports.clock.now() / 1_000);
  const [{ workload }, here] = [client, { issuer: ports.tokenSettings.issuer, now }];
  const problem = workload === null ? claimsProblem(read, here) : workloadClaimsProblem(read, workload, here);
  if (problem !== null) throw refused('invalid', problem);
  const { jti, exp } = read.claims as { readonly jti: string; readonly exp: number };
  const used = {
    hash: hash('sha256', `${client.clientId}\0${jti}`, 'buffer'),
    keepSeconds: Math.ceil(exp) - now + KEPT_AFTER_SECONDS,
    request,
  };
  // Last, so that a forged assertion uses up no id.
  if (isUsedOnce(read.claims, workload) && !(await ports.usedAssertions.submit(used)))
    throw refused('replayed', 'The jti was used before.');
  clientAssertions.add(1, { outcome: 'ok' });
  return callerOfClient(ports.access, client, 'assertion', request);
}
