import { defineError } from '#services/platform/define/error.ts';

/** The same for a code that is wrong, used, out of date, or of an account that is gone. */
export const codeInvalid = defineError({
  code: 'code_invalid',
  status: 400,
  title: 'The code does not count',
  cause: 'It is not one of ours, was used before, or its time is over.',
  fix: 'Ask for another one; of several mails the newest counts longest.',
  retryable: false,
});

/** Of codes whose account nobody is signed in to. */
export const passwordRequired = defineError({
  code: 'password_required',
  status: 400,
  title: 'This code needs a password beside it',
  cause:
    'Whoever gave the address may be another than who reads its mail, and no session of the account was sent along.',
  fix: 'Give the password to sign in with. The code still counts.',
  retryable: false,
});

export const currentPasswordWrong = defineError({
  code: 'current_password_wrong',
  status: 403,
  title: 'The current password is wrong',
  cause: 'The password given as the present one is not that of this account, or the account has none.',
  fix: 'Try again, or ask for a reset by mail.',
  retryable: false,
});

/** Only who has just given the right password learns this. */
export const emailUnverified = defineError({
  code: 'email_unverified',
  status: 403,
  title: 'The e-mail address is not proved yet',
  cause: 'This installation gives sessions to proved addresses alone.',
  fix: 'Follow the link in the mail, or ask for another with POST /api/auth/send-verification-email.',
  retryable: false,
});

export const invitationOver = defineError({
  code: 'invitation_over',
  status: 409,
  title: 'There is nobody to invite any more',
  cause: 'The address of the account is proved already, or the account is disabled.',
  fix: 'See the account; who has forgotten a password asks for a reset, and a disabled account is enabled first.',
  retryable: false,
});

export const passwordHashUnknown = defineError({
  code: 'password_hash_unknown',
  status: 400,
  title: 'The password hash is of no known form',
  cause:
    'It is no bcrypt, scrypt, argon2id or PBKDF2 digest as common systems write them, or costs too much to verify.',
  fix: 'Leave it out: the owner chooses a password by the invitation.',
  retryable: false,
});
