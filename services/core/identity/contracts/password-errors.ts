import { defineError } from '#services/platform/define/error.ts';

export const passwordTooShort = defineError({
  code: 'password_too_short',
  title: 'Password too short',
  cause: 'Passwords have at least 12 characters; 15 under PASSWORD_PROFILE=nist and for administrative roles.',
  fix: 'Choose a longer password; a few words are enough. `detail` gives the minimum.',
});

export const passwordTooLong = defineError({
  code: 'password_too_long',
  title: 'Password too long',
  cause: 'Passwords have at most 256 characters and 1,024 bytes.',
  fix: 'Choose a shorter password.',
});

export const passwordIllFormed = defineError({
  code: 'password_ill_formed',
  title: 'Password not well-formed',
  cause: 'The password contains an unpaired surrogate, which cannot be encoded.',
  fix: 'Send well-formed Unicode.',
});

export const passwordHasEmail = defineError({
  code: 'password_has_email',
  title: 'Password too similar to the e-mail address',
  cause: 'The password contains the part of the address before the @, or little besides the mail domain.',
  fix: 'Choose a password unrelated to your address.',
});

export const passwordHasName = defineError({
  code: 'password_has_name',
  title: 'Password too similar to your name',
  cause: 'The password contains little besides your name.',
  fix: 'Choose a password unrelated to your name.',
});

export const passwordHasProduct = defineError({
  code: 'password_has_product',
  title: 'Password too similar to the name of this service',
  cause: 'The password contains little besides the name of the service.',
  fix: 'Choose a password unrelated to this service.',
});

export const passwordCommon = defineError({
  code: 'password_common',
  title: 'Password too common',
  cause: 'The password is on a list of passwords that attackers try first.',
  fix: 'Choose a less common password; a few unusual words are enough.',
});

export const passwordBreached = defineError({
  code: 'password_breached',
  title: 'Password found in a data breach',
  cause: 'The password was published in a data breach of another service.',
  fix: 'Choose another password, and change this one wherever else you use it.',
});

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
