import type { z } from 'zod';
import type { Ports } from '#services/core/ports.ts';
import { decideToken, type ValidatePorts } from '#services/core/tokens/verify/validate-token.ts';
import { unauthenticated } from '#services/platform/errors.ts';
import type { userInfo } from '../contract.ts';
import { openIdScopeMissing } from '../errors.ts';
import { readUserProfile, type UserProfile } from './user-claims.store.ts';

/** Claims of a user that the scope allows (OpenID Connect Core §5.4). */
export type UserClaims = Omit<z.output<typeof userInfo>, 'sub'>;

export const userClaims = (profile: UserProfile, scopes: ReadonlySet<string>): UserClaims => ({
  ...(scopes.has('email') ? { email: profile.email, email_verified: profile.is_email_verified } : {}),
  ...(scopes.has('profile')
    ? {
        ...(profile.name ? { name: profile.name } : {}),
        ...(profile.image ? { picture: profile.image } : {}),
        updated_at: profile.updated_at,
      }
    : {}),
});

/** The claims of these names that the granted scopes release. The caller has locked the user, who therefore exists. */
export async function profileForIdToken(
  tx: Pick<Ports, 'sql'>['sql'],
  userId: string,
  scopes: readonly string[],
  names: readonly string[],
): Promise<UserClaims> {
  const profile = await readUserProfile(tx, userId);
  const released = Object.entries(userClaims(profile!, new Set(scopes)));
  return Object.fromEntries(released.filter(([name]) => names.includes(name)));
}

/**
 * Returns the user's claims that the scope of the access token allows (OpenID Connect Core §5.3).
 * Throws `unauthenticated` (401), `openid_scope_missing` (403), `store_unavailable` (503).
 * @param token the access token that authenticated the caller, its proof of possession already verified
 */
export async function readUserInfo(
  ports: ValidatePorts & Pick<Ports, 'sql'>,
  token: string,
): Promise<UserClaims & { readonly sub: string }> {
  const evaluated = decideToken(ports, token, { isProofChecked: true });
  if (typeof evaluated === 'string') throw unauthenticated();
  const scopes = new Set((evaluated.claims.scope ?? '').split(' '));
  if (!scopes.has('openid') || evaluated.claims.fid === undefined) throw openIdScopeMissing();
  const profile = await readUserProfile(ports.sql, evaluated.claims.sub);
  if (profile === undefined) throw unauthenticated();
  return { sub: evaluated.claims.sub, ...userClaims(profile, scopes) };
}
