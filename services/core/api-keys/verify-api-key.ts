import { clientUnauthenticated } from '#services/platform/errors.ts';
import { clientOf, FIRST_PARTY_CLIENT_ID } from '../authority/callers.ts';
import type { Caller } from '../ports.ts';
import type { HasNewest } from '../revocations/confirm-state.ts';
import type { HasTokenSettings } from '../tokens/token-settings.ts';
import type { HasApiKeyUses } from './api-key-uses.ts';
import type { KeyClaims } from './contract.ts';
import type { HasKeyVerifications, KeyOutcome } from './count-key-verifications.ts';
import { keyPermissionsAt } from './key-permissions.ts';
import { type LiveKeyPorts, liveKeyOf } from './live-key.ts';

export type VerifyApiKeyPorts = LiveKeyPorts & HasNewest & HasTokenSettings & HasApiKeyUses & HasKeyVerifications;

type Refused = Exclude<KeyOutcome, 'active'>;

/** The installation's audience, or that of an application. */
const hasAudience = ({ access, tokenSettings }: VerifyApiKeyPorts, audience: string): boolean =>
  audience === tokenSettings.audience || access.application(audience) !== undefined;

/**
 * The claims of a key at these audiences, or why it is refused. A service cannot check the signature of a request to
 * another service, so a key that requires signed requests is refused: its secret alone is worth nothing.
 * @param audiences undefined: the installation's, and those of applications at which the key has permissions
 */
function evaluate(
  ports: VerifyApiKeyPorts,
  text: string,
  audiences: readonly string[] | undefined,
): KeyClaims | Refused {
  const { access, tokenSettings, apiKeyUses } = ports;
  const found = liveKeyOf(ports, text);
  if (typeof found === 'string') return found === 'malformed' ? 'malformed' : 'invalid';
  const { key } = found;
  if (key.publicKey !== null) return 'signature_required';
  // After the key: without one, a caller does not learn which applications there are.
  if (audiences?.some((audience) => !hasAudience(ports, audience))) return 'wrong_audience';
  apiKeyUses.add(key.id);
  const own = tokenSettings.audience;
  const held = (audiences ?? [own, ...access.applications().map(({ audience }) => audience)])
    .map((audience) => ({ audience, permissions: keyPermissionsAt(ports, found, audience) }))
    .filter((each) => audiences !== undefined || each.audience === own || each.permissions.length > 0);
  const permissions = held.flatMap((each) => each.permissions).sort();
  return {
    iss: tokenSettings.issuer,
    aud: held.map(({ audience }) => audience),
    sub: (key.user_id ?? key.client_id) as string,
    client_id: key.client_id ?? FIRST_PARTY_CLIENT_ID,
    api_key_id: key.id,
    exp: Math.floor(key.expires_at_ms / 1_000),
    scope: permissions.join(' '),
    permissions,
  };
}

/** Evaluates the key, and again on confirmed memory before it is called invalid: it may be new. Counts the result. */
function decided(
  ports: VerifyApiKeyPorts,
  text: string,
  audiences: readonly string[] | undefined,
  answerOf: (decision: KeyClaims | Refused) => object,
): string | Promise<string> {
  const answer = (decision: KeyClaims | Refused): string => {
    ports.keyVerifications[typeof decision === 'string' ? decision : 'active'] += 1;
    return JSON.stringify(answerOf(decision));
  };
  const decision = evaluate(ports, text, audiences);
  if (decision !== 'invalid') return answer(decision);
  return ports.confirmNewest().then(() => answer(evaluate(ports, text, audiences)));
}

/**
 * Returns the answer for a service that was shown a key, as JSON text in the form of a validated token. Reads
 * memory; before it calls a key invalid, it waits for the next poll of the database.
 * With `audience`, the permissions are those at this audience; without, all that the key has.
 * Throws `revocation_state_stale`, `state_rewound`, `clock_wrong`, `api_keys_stale`, `directory_stale` (503).
 */
export const verifyApiKey = (
  ports: VerifyApiKeyPorts,
  { key, audience }: { readonly key: string; readonly audience?: string | undefined },
): string | Promise<string> =>
  decided(ports, key, audience === undefined ? undefined : [audience], (decision) =>
    typeof decision === 'string' ? { active: false, reason: decision } : { active: true, claims: decision },
  );

/**
 * Returns the answer of RFC 7662 for a key, as JSON text, to an authenticated client: with the permissions at the audience
 * of the installation, and at those that are registered for the client by name, as for tokens.
 * Throws `client_unauthenticated` (401), and as `verifyApiKey`.
 */
export function introspectApiKey(ports: VerifyApiKeyPorts, text: string, caller: Caller): string | Promise<string> {
  const client = ports.access.client(clientOf(caller)?.clientId ?? '');
  // The client may have been disabled or deleted while its body was read, after its secret was checked.
  if (client === undefined || client.disabled) throw clientUnauthenticated();
  const audiences = [ports.tokenSettings.audience, ...client.audiences].filter((each) => hasAudience(ports, each));
  return decided(ports, text, [...new Set(audiences)], (decision) =>
    typeof decision === 'string' ? { active: false } : { active: true, token_type: 'Bearer', ...decision },
  );
}
