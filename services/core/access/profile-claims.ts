/** The claims about a user that this server keeps, each with the scope that releases it (OpenID Connect Core §5.4). */
export const SCOPE_OF_CLAIM = {
  email: 'email',
  email_verified: 'email',
  name: 'profile',
  picture: 'profile',
  updated_at: 'profile',
} as const;

export type ProfileClaim = keyof typeof SCOPE_OF_CLAIM;

export const PROFILE_CLAIMS = Object.keys(SCOPE_OF_CLAIM) as [ProfileClaim, ...ProfileClaim[]];

export const isProfileClaim = (name: string): name is ProfileClaim => Object.hasOwn(SCOPE_OF_CLAIM, name);
