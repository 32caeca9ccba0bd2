import type { HasAccess } from '#services/core/access/access-directory.ts';
import { clientOrAgent } from '#services/core/access/client-caller.ts';
import { FIRST_PARTY_CLIENT_ID } from '#services/core/authority/callers.ts';
import type { Caller, RequestContext } from '#services/core/ports.ts';
import type { AccessTokenClaims } from '../access-token.ts';
import { type PresentedProof, verifyProof } from '../dpop/use-dpop-proof.ts';
import { decideToken, type ValidatePorts } from './validate-token.ts';

/**
 * Returns the caller of an access token, with the permissions in the token; null when the token is not active. A bound token is
 * accepted only with its proof or certificate (RFC 8705 §3), and an unbound token is not accepted with a proof (RFC 9449
 * §7.1). Undefined for an active token of a client, or through one, that this copy does not know yet: it may be an agent.
 * Throws `dpop_proof_invalid`, `dpop_nonce_required` (401), and `revocation_state_stale`, `state_rewound`, `clock_wrong`
 * or `key_ring_behind` (503) when this copy cannot decide.
 * @param by `mcp` at the MCP server, which accepts tokens for any of its addresses and no other
 */
export function bearerCaller(
  ports: ValidatePorts & HasAccess,
  token: string,
  request: RequestContext,
  dpop?: PresentedProof,
  by: 'bearer' | 'mcp' = 'bearer',
): Caller | null | undefined {
  const isProofChecked = dpop?.isChecked === true;
  if (dpop !== undefined && !isProofChecked) verifyProof(ports, dpop, token);
  const { ip, userAgent, certificate } = request;
  const shown = { ip, userAgent, dpop, x5t: certificate ?? undefined, isProofChecked };
  const [audience, ...audiences] = ports.tokenSettings.mcpAudiences;
  // Without an address of its own the MCP server would accept the tokens of the API.
  if (by === 'mcp' && audience === undefined) return null;
  const evaluated = decideToken(ports, token, by === 'mcp' ? { ...shown, audience, audiences } : shown);
  if (typeof evaluated === 'string') return null;
  const { claims } = evaluated;
  const permissions = new Set(claims.permissions ?? []);
  // A token without a family is about the client only (RFC 9068 §2.2). An administrator has allowed the client such
  // tokens, even one that registered itself.
  const { client_id: clientId } = claims;
  if (!knowsAll(ports, clientId, claims.act)) return undefined;
  const agent = ports.access.client(clientId)?.agent;
  const bound = claims.cnf === undefined ? {} : ({ isBound: true } as const);
  if (claims.fid === undefined)
    return claims.sub === clientId
      ? clientOrAgent(agent, { clientId, permissions, by, isVetted: true, request, ...bound })
      : null;
  const agentId = agent == null ? agentAmong(ports, claims.act) : clientId;
  return {
    kind: 'user',
    userId: claims.sub,
    sessionId: claims.sid ?? null,
    clientId,
    permissions,
    ...(by === 'mcp' ? { scope: claims.scope } : {}),
    ...(claims.roles ? { roles: claims.roles } : {}),
    by,
    tokenId: claims.jti,
    familyId: claims.fid,
    // The acting party did not sign in (RFC 8693), so endpoints that require a recent sign-in reject the token.
    authTime: claims.act === undefined ? (claims.auth_time ?? 0) : 0,
    ...(claims.acr === undefined ? {} : { acr: claims.acr }),
    ...(claims.act === undefined ? {} : { actingId: String(claims.act.sub) }),
    ...(agentId === undefined ? {} : { agentId }),
    request,
  };
}

/** Whether this copy knows the client and every actor behind it. */
function knowsAll(ports: HasAccess, clientId: string, act: AccessTokenClaims['act']): boolean {
  const isKnown = clientId === FIRST_PARTY_CLIENT_ID || ports.access.client(clientId) !== undefined;
  return isKnown && (act === undefined || knowsAll(ports, String(act.sub), act.act as AccessTokenClaims['act']));
}

/** The agent that a chain of delegations names (RFC 8693 §4.1), the latest first. */
function agentAmong({ access }: HasAccess, act: AccessTokenClaims['act']): string | undefined {
  if (act === undefined) return undefined;
  const actor = String(act.sub);
  return access.client(actor)?.agent == null ? agentAmong({ access }, act.act as AccessTokenClaims['act']) : actor;
}
