import type { HasAccess } from '#services/domain/access/access-directory.ts';
import type { Caller, Ports } from '#services/domain/ports.ts';
import { clientUnauthenticated } from '#services/platform/errors.ts';
import { tokenTypeOf } from '../access-token.ts';
import { scopeNow } from '../refresh/family-token.ts';
import { readRefreshToken } from '../refresh/read-refresh-token.ts';
import type { HasStateConfirmation } from '../revocations/confirm-state.ts';
import { ANSWER_START, evaluateTokenConfirmed, type ValidatePorts } from './validate-token.ts';
import type { InactiveReason } from './verdict-shapes.ts';
import type { VerifiedToken } from './verified-token-cache.ts';

/** RFC 7662 §2.2; an inactive token is told nothing more of. */
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

export type IntrospectPorts = ValidatePorts & HasAccess & HasStateConfirmation & Pick<Ports, 'sql'>;

/**
 * The answer as JSON text (RFC 7662) for an authenticated client with tokens:introspect. Tokens for another audience than ours, or one that the
 * client is registered for by name, are inactive to it (§4): `*` lets it ask for tokens, and makes it no audience. A
 * refresh token is looked up and stays as it is; only its current generation is active. Throws `client_unauthenticated` (401),
 * `revocation_state_stale`, `state_rewound`, `clock_wrong`, `key_ring_behind`, `store_unavailable` (503).
 */
export function introspectToken(ports: IntrospectPorts, token: string, caller: Caller): string | Promise<string> {
  const client = caller.kind === 'client' ? ports.access.client(caller.clientId) : undefined;
  // It may have been disabled or deleted since its secret was checked, while its body was read.
  if (client === undefined || client.disabled) throw clientUnauthenticated();
  const audiences = client.audiences.filter((each) => each !== '*');
  return token.startsWith(REFRESH_PREFIX)
    ? introspectRefreshToken(ports, token, client.clientId, audiences).then((answer) => JSON.stringify(answer))
    : introspectAccessToken(ports, token, audiences);
}

function introspectAccessToken(
  ports: IntrospectPorts,
  token: string,
  audiences: readonly string[],
): string | Promise<string> {
  // Who introspects is shown `cnf` and checks the proof it was given (RFC 9449 §6.2, RFC 8705 §3.2).
  const expectations = { isProofChecked: true, audiences };
  // In memory without a wait, and a promise only for a key that has to be asked for.
  const found = evaluateTokenConfirmed(ports, token, expectations);
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
  const login = await readRefreshToken(ports, token, clientId);
  if (!login?.isCurrent) return INACTIVE;
  if (![ports.tokenSettings.audience, ...audiences].includes(login.audience)) return INACTIVE;
  const scope = scopeNow(ports.access, login);
  // Nothing of it is allowed any more: it will not refresh.
  if (scope === '' && login.scope !== '') return INACTIVE;
  return {
    active: true,
    scope,
    client_id: login.clientId,
    sub: login.userId,
    aud: login.audience,
    iss: ports.tokenSettings.issuer,
    exp: Math.floor(login.expiresAt),
    iat: Math.floor(login.createdAt),
    fid: login.familyId,
    ...(login.sessionId === null ? {} : { sid: login.sessionId }),
    ...(login.authTime > 0 ? { auth_time: Math.floor(login.authTime) } : { act: { sub: login.clientId } }),
  };
}
