import type { HasAccess } from '#services/core/access/access-directory.ts';
import { clientOf } from '#services/core/authority/callers.ts';
import type { Caller, Ports } from '#services/core/ports.ts';
import type { HasStateConfirmation } from '#services/core/revocations/confirm-state.ts';
import { clientUnauthenticated } from '#services/platform/errors.ts';
import { tokenTypeOf } from '../access-token.ts';
import { detailsNow } from '../authorization-details.ts';
import { scopeNow } from '../refresh/family-token.ts';
import { readRefreshToken } from '../refresh/read-refresh-token.ts';
import type { HasLegacyBridge } from './legacy-bridge-port.ts';
import { ANSWER_START, decideTokenConfirmed, type ValidatePorts } from './validate-token.ts';
import type { InactiveReason } from './validation-shapes.ts';
import type { VerifiedToken } from './verified-token-cache.ts';

/** The answer for an inactive token says nothing more (RFC 7662 §2.2). */
type Introspection =
  | { readonly active: false }
  | {
      readonly active: true;
      readonly token_type?: 'Bearer' | 'DPoP';
      readonly scope: string;
      readonly client_id: string;
      readonly sub: string;
      readonly aud: string | readonly string[];
      readonly iss: string;
      readonly exp: number;
      readonly iat: number;
      readonly [member: string]: unknown;
    };

const INACTIVE: Introspection = { active: false };
const INACTIVE_TEXT = JSON.stringify(INACTIVE);
const REFRESH_PREFIX = 'sp_rt_';

type IntrospectPorts = ValidatePorts & HasAccess & HasStateConfirmation & HasLegacyBridge & Pick<Ports, 'sql'>;

/**
 * Returns the answer as JSON text (RFC 7662) for an authenticated client with tokens:introspect. A token is inactive for the
 * client unless its audience is the default one or is registered for the client by name (§4). An audience of `*` lets the
 * client request tokens for any audience, but does not count here. A refresh token is not used up; only its current
 * generation is active. A token of the old provider is active for every such client if its audience is LEGACY_AUDIENCE.
 * Throws `client_unauthenticated` (401), `revocation_state_stale`, `state_rewound`, `clock_wrong`, `key_ring_behind`,
 * `legacy_keys_unavailable`, `store_unavailable` (503).
 */
export function introspectToken(ports: IntrospectPorts, token: string, caller: Caller): string | Promise<string> {
  const client = ports.access.client(clientOf(caller)?.clientId ?? '');
  // The client may have been disabled or deleted while its body was read, after its secret was checked.
  if (client === undefined || client.disabled) throw clientUnauthenticated();
  const audiences = client.audiences.filter((each) => each !== '*');
  if (token.startsWith(REFRESH_PREFIX))
    return introspectRefreshToken(ports, token, client.clientId, audiences).then((answer) => JSON.stringify(answer));
  const { legacyBridge, verifiedTokens } = ports;
  if (legacyBridge !== null && verifiedTokens.get(token) === undefined && legacyBridge.isFor(token))
    return legacyBridge.introspect(token);
  return introspectAccessToken(ports, token, audiences);
}

function introspectAccessToken(
  ports: IntrospectPorts,
  token: string,
  audiences: readonly string[],
): string | Promise<string> {
  // The answer contains `cnf`, and the caller checks the proof that it received (RFC 9449 §6.2, RFC 8705 §3.2).
  const expectations = { isProofChecked: true, audiences };
  // Synchronous from memory; a promise only for an unknown key, which is looked up in the database.
  const found = decideTokenConfirmed(ports, token, expectations);
  return found instanceof Promise ? found.then(answerOf) : answerOf(found);
}

function answerOf(evaluated: VerifiedToken | InactiveReason): string {
  if (typeof evaluated === 'string') return INACTIVE_TEXT;
  const { claims, answer } = evaluated;
  const members = answer.slice(ANSWER_START.length + 1, -2);
  const scope = claims.scope === undefined ? ',"scope":""' : '';
  return `{"active":true,"token_type":"${tokenTypeOf(claims)}",${members}${scope}}`;
}

async function introspectRefreshToken(
  ports: IntrospectPorts,
  token: string,
  clientId: string,
  audiences: readonly string[],
): Promise<Introspection> {
  const family = await readRefreshToken(ports, token, clientId);
  if (!family?.isCurrent) return INACTIVE;
  if (![ports.tokenSettings.audience, ...audiences].includes(family.audience)) return INACTIVE;
  const scope = scopeNow(ports.access, family);
  // The current settings allow none of its scope, so it cannot be refreshed.
  if (scope === '' && family.scope !== '') return INACTIVE;
  const details = family.authorization_details && detailsNow(ports.access, family, family.authorization_details);
  return {
    active: true,
    scope,
    client_id: family.client_id,
    sub: family.user_id,
    aud: family.audience,
    iss: ports.tokenSettings.issuer,
    exp: Math.floor(family.expires_at),
    iat: Math.floor(family.created_at),
    fid: family.familyId,
    ...(details ? { authorization_details: details } : {}),
    ...(family.session_id === null ? {} : { sid: family.session_id }),
    ...(family.auth_time > 0 ? { auth_time: Math.floor(family.auth_time) } : { act: { sub: family.client_id } }),
  };
}
