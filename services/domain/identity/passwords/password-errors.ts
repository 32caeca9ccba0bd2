import { defineError } from '#services/platform/define/error.ts';

export const passwordTooShort = defineError({
  code: 'password_too_short',
  status: 400,
  title: 'The password is too short',
  cause: 'Passwords have at least 12 characters; 15 under PASSWORD_PROFILE=nist and for roles that run things.',
  fix: 'Choose a longer one; a few words will do. `detail` says how long.',
  retryable: false,
});

export const passwordTooLong = defineError({
  code: 'password_too_long',
  status: 400,
  title: 'The password is too long',
  cause: 'Passwords have at most 256 characters and 1,024 bytes.',
  fix: 'Choose a shorter one.',
  retryable: false,
});

export const passwordIllFormed = defineError({
  code: 'password_ill_formed',
  status: 400,
  title: 'The password is not well-formed text',
  cause: 'It holds half of a surrogate pair, which has no bytes of its own.',
  fix: 'Send well-formed Unicode.',
  retryable: false,
});

export const passwordHasEmail = defineError({
  code: 'password_has_email',
  status: 400,
  title: 'The password is made of your e-mail address',
  cause: 'It holds the part before the @, or little beside the name of the mail domain.',
  fix: 'Choose one that has nothing to do with your address.',
  retryable: false,
});

export const passwordHasName = defineError({
  code: 'password_has_name',
  status: 400,
  title: 'The password is made of your name',
  cause: 'There is little in it beside your name.',
  fix: 'Choose one that has nothing to do with your name.',
  retryable: false,
});

export const passwordHasProduct = defineError({
  code: 'password_has_product',
  status: 400,
  title: 'The password is made of the name of this service',
  cause: 'There is little in it beside the name of what it opens.',
  fix: 'Choose one that has nothing to do with this service.',
  retryable: false,
});

export const passwordCommon = defineError({
  code: 'password_common',
  status: 400,
  title: 'Too many people use this password',
  cause: 'It is on the list of passwords that are tried first.',
  fix: 'Choose one of your own; a few unusual words will do.',
  retryable: false,
});

export const passwordBreached = defineError({
  code: 'password_breached',
  status: 400,
  title: 'This password has been published',
  cause: 'It was found among the passwords stolen from other services.',
  fix: 'Choose another, and change it wherever else you use it.',
  retryable: false,
});

/** What a new password may be refused with. */
export const passwordErrors = [
  passwordTooShort,
  passwordTooLong,
  passwordIllFormed,
  passwordHasEmail,
  passwordHasName,
  passwordHasProduct,
  passwordCommon,
  passwordBreached,
] as const;
