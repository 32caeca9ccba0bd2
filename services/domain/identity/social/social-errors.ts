import { defineError } from '#services/platform/define/error.ts';

export const socialProviderUnknown = defineError({
  code: 'social_provider_unknown',
  status: 404,
  title: 'No such provider',
  cause: 'Nobody can sign in here by a provider of this name.',
  fix: 'Choose one of GET /api/auth/social-providers; operators: see SOCIAL_PROVIDERS.',
  retryable: false,
});

export const socialProviderUnavailable = defineError({
  code: 'social_provider_unavailable',
  status: 503,
  title: 'The provider does not answer',
  cause: 'The provider could not be reached, or what it said of itself is not usable.',
  fix: 'Try again after Retry-After, or sign in another way.',
  retryable: true,
});

/** The same for a state that is wrong, used, late, of another browser or provider, and for a code or ID token that is not good. */
export const socialSignInRefused = defineError({
  code: 'social_sign_in_refused',
  status: 400,
  title: 'This sign-in cannot be finished',
  cause: 'It was begun elsewhere, is over or already used, or the provider’s answer does not belong to it.',
  fix: 'Begin again, in this browser.',
  retryable: false,
});

/** The same whether or not an account has the address. */
export const socialEmailUnproven = defineError({
  code: 'social_email_unproven',
  status: 403,
  title: 'The provider has not proved your e-mail address',
  cause: 'Only a provider that says it has verified the address can open or link an account.',
  fix: 'Verify your address at the provider, or sign in another way.',
  retryable: false,
});

export const socialAccountTaken = defineError({
  code: 'social_account_taken',
  status: 409,
  title: 'That account belongs to somebody else here',
  cause: 'The account at the provider is linked with another account.',
  fix: 'Sign in with it, or unlink it there first.',
  retryable: false,
});

export const lastWayIn = defineError({
  code: 'last_way_in',
  status: 409,
  title: 'This is the only way to sign in',
  cause: 'Without it nobody could sign in to this account any more.',
  fix: 'Set a password or link another account first.',
  retryable: false,
});

export const callbackRefused = defineError({
  code: 'callback_refused',
  status: 400,
  title: 'The address to return to is not ours',
  cause: 'callbackURL is neither a path of this origin nor on a listed origin (CORS_ORIGINS).',
  fix: 'Send a path such as /welcome, or an address on a listed origin.',
  retryable: false,
});

export const linkedAccountUnknown = defineError({
  code: 'linked_account_unknown',
  status: 404,
  title: 'No such linked account',
  cause: 'You have no account of this kind linked.',
  fix: 'Look at GET /api/auth/list-accounts.',
  retryable: false,
});
