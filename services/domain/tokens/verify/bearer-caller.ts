import type { Caller, RequestContext } from '#services/domain/ports.ts';
import { type PresentedProof, verifyProof } from '../dpop/use-dpop-proof.ts';
import { evaluateToken, type ValidatePorts } from './validate-token.ts';

/**
 * Returns the caller of an access token, with the permissions in the token; null when the token is not active. A bound token is
 * accepted only with its proof or certificate (RFC 8705 §3), and an unbound token is not accepted with a proof (RFC 9449
 * §7.1).
 * Throws `dpop_proof_invalid`, `dpop_nonce_required` (401), and `revocation_state_stale`, `state_rewound`, `clock_wrong`
 * or `key_ring_behind` (503) when this copy cannot decide.
 */
export function bearerCaller(
  ports: ValidatePorts,
  token: string,
  request: RequestContext,
  dpop?: PresentedProof,
): Caller | null {
  const isProofChecked = dpop?.isChecked === true;
  if (dpop !== undefined && !isProofChecked) verifyProof(ports, dpop, token);
  const { ip, userAgent, certificate } = request;
  const evaluated = evaluateToken(ports, token, { ip, userAgent, dpop, x5t: certificate ?? undefined, isProofChecked });
  if (typeof evaluated === 'string') return null;
  const { claims } = evaluated;
  const permissions = new Set(claims.permissions ?? []);
  // A token without a family is about the client only (RFC 9068 §2.2). An administrator has allowed the client such
  // tokens, even one that registered itself.
  if (claims.fid === undefined)
    return claims.sub === claims.client_id
      ? { kind: 'client', clientId: claims.client_id, permissions, by: 'bearer', isVetted: true, request }
      : null;
  return {
    kind: 'user',
    userId: claims.sub,
    sessionId: claims.sid ?? null,
    clientId: claims.client_id,
    permissions,
    ...(claims.roles ? { roles: claims.roles } : {}),
    by: 'bearer',
    tokenId: claims.jti,
    familyId: claims.fid,
    // The acting party did not sign in (RFC 8693), so endpoints that require a recent sign-in reject the token.
    authTime: claims.act === undefined ? (claims.auth_time ?? 0) : 0,
    ...(claims.acr === undefined ? {} : { acr: claims.acr }),
    ...(claims.act === undefined ? {} : { actingId: String(claims.act.sub) }),
    request,
  };
}
