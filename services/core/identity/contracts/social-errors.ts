import { defineError } from '#services/platform/define/error.ts';

export const socialProviderUnknown = defineError({
  code: 'social_provider_unknown',
  status: 404,
  title: 'Provider not found',
  cause: 'This installation has no sign-in provider with this name.',
  fix: 'Use a provider from GET /api/auth/social-providers. Operators: see SOCIAL_PROVIDERS.',
});

export const socialProviderUnavailable = defineError({
  code: 'social_provider_unavailable',
  status: 503,
  title: 'Provider unavailable',
  cause: 'The provider could not be reached, or its metadata is unusable.',
  fix: 'Try again after Retry-After, or use another sign-in method.',
});

/**
 * The same for a state that is wrong, used, expired, or from another browser or provider, and for an invalid code or ID
 * token.
 */
export const socialSignInRefused = defineError({
  code: 'social_sign_in_refused',
  title: 'Sign-in could not be completed',
  cause:
    'The sign-in was started in another browser, has expired or was already completed, or the provider’s answer does not match it.',
  fix: 'Start the sign-in again in this browser.',
});

/** The same whether or not an account has the address. */
export const socialEmailUnproven = defineError({
  code: 'social_email_unproven',
  status: 403,
  title: 'E-mail address not verified by the provider',
  cause: 'An account can only be opened or linked with an address that the provider has verified.',
  fix: 'Verify your address at the provider, or use another sign-in method.',
});

export const socialAccountTaken = defineError({
  code: 'social_account_taken',
  status: 409,
  title: 'Account linked to another user',
  cause: 'The account at the provider is already linked to the account of another user of this service.',
  fix: 'Sign in through the provider to use that other account, or unlink the provider from it first.',
});

export const lastWayIn = defineError({
  code: 'last_way_in',
  status: 409,
  title: 'Only sign-in method of the account',
  cause: 'Without it, the owner could not sign in to this account any more.',
  fix: 'Set a password or link another account first.',
});

export const callbackRefused = defineError({
  code: 'callback_refused',
  title: 'Return address not allowed',
  cause: 'callbackURL is neither a path of this origin nor on a listed origin (CORS_ORIGINS).',
  fix: 'Send a path such as /welcome, or an address on a listed origin.',
});

export const linkedAccountUnknown = defineError({
  code: 'linked_account_unknown',
  status: 404,
  title: 'Linked account not found',
  cause: 'No account at this provider is linked to yours.',
  fix: 'List the linked accounts with GET /api/auth/list-accounts.',
});
