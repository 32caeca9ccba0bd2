import type { Ports } from '#services/domain/ports.ts';
import { evaluateToken, type ValidatePorts } from '#services/domain/tokens/verify/validate-token.ts';
import { unauthenticated } from '#services/platform/errors.ts';
import { openIdScopeMissing } from '../errors.ts';
import { readUserProfile } from './user-claims.store.ts';
import { type UserClaims, userClaims } from './user-claims.ts';

/**
 * UserInfo (OpenID Connect Core §5.3): what the scope of an access token tells of its user.
 * Throws `unauthenticated` (401), `openid_scope_missing` (403), `store_unavailable` (503).
 * @param token the access token the caller was recognised by, its proof of possession included
 */
export async function readUserInfo(
  ports: ValidatePorts & Pick<Ports, 'sql'>,
  token: string,
): Promise<UserClaims & { readonly sub: string }> {
  const judged = evaluateToken(ports, token, { isProofChecked: true });
  if (typeof judged === 'string') throw unauthenticated();
  const scopes = new Set((judged.claims.scope ?? '').split(' '));
  if (!scopes.has('openid') || judged.claims.fid === undefined) throw openIdScopeMissing();
  const profile = await readUserProfile(ports.sql, judged.claims.sub);
  if (profile === undefined) throw unauthenticated();
  return { sub: judged.claims.sub, ...userClaims(profile, scopes) };
}
