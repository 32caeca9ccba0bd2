import type { Caller, RequestContext } from '#services/domain/ports.ts';
import { judgeProof, type PresentedProof } from '../dpop/use-dpop-proof.ts';
import { evaluateToken, type ValidatePorts } from './validate-token.ts';

/**
 * The caller behind an access token of ours, with the permissions it carries; null when the token is not active here.
 * A bound token counts with its proof or its certificate alone (RFC 8705 §3), and a proof beside an unbound one not at
 * all (RFC 9449 §7.1).
 * Throws `dpop_proof_invalid`, `dpop_nonce_required` (401), `revocation_state_stale`, `state_rewound`, `clock_wrong` or `key_ring_behind` (503) when that
 * cannot be told.
 */
export function bearerCaller(
  ports: ValidatePorts,
  token: string,
  request: RequestContext,
  dpop?: PresentedProof,
): Caller | null {
  const isProofChecked = dpop?.isChecked === true;
  if (dpop !== undefined && !isProofChecked) judgeProof(ports, dpop, token);
  const { ip, userAgent, certificate } = request;
  const judged = evaluateToken(ports, token, { ip, userAgent, dpop, x5t: certificate ?? undefined, isProofChecked });
  if (typeof judged === 'string') return null;
  const { claims } = judged;
  const permissions = new Set(claims.permissions ?? []);
  // A token without a login speaks for the client alone (RFC 9068 §2.2).
  // Tokens of its own are a right that somebody gave it, whoever made it.
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
    // Who acts is not who signed in, if anybody did: what asks for a fresh login is not for what shows the token (RFC 8693).
    authTime: claims.act === undefined ? (claims.auth_time ?? 0) : 0,
    ...(claims.acr === undefined ? {} : { acr: claims.acr }),
    request,
  };
}
