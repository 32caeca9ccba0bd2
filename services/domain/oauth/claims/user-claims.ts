import type { UserProfile } from './user-claims.store.ts';

/** Claims of a user that the scope allows (OpenID Connect Core §5.4). */
export type UserClaims = {
  readonly email?: string;
  readonly email_verified?: boolean;
  readonly name?: string;
  readonly picture?: string;
  readonly updated_at?: number;
};

export function userClaims(profile: UserProfile, scopes: ReadonlySet<string>): UserClaims {
  return {
    ...(scopes.has('email') ? { email: profile.email, email_verified: profile.isEmailVerified } : {}),
    ...(scopes.has('profile')
      ? {
          ...(profile.name ? { name: profile.name } : {}),
          ...(profile.image ? { picture: profile.image } : {}),
          updated_at: profile.updatedAt,
        }
      : {}),
  };
}
