import { defineError } from '#services/platform/define/error.ts';

/** The same for a code that is wrong, used, expired, or belongs to a deleted account. */
export const codeInvalid = defineError({
  code: 'code_invalid',
  title: 'Code invalid or expired',
  cause: 'The code is unknown, was used before, or has expired.',
  fix: 'Request a new code. If you have several mails, use the newest.',
});

/** The request has a code, but neither a session nor the password of its account. */
export const passwordRequired = defineError({
  code: 'password_required',
  title: 'Password required with this code',
  cause:
    'The request has no session of the account, and the code alone does not prove that the user who created the account also receives the mail of this address.',
  fix: 'Send the account’s password with the code. The code is still valid.',
});

export const currentPasswordWrong = defineError({
  code: 'current_password_wrong',
  status: 403,
  title: 'The current password is wrong',
  cause: 'The password sent as the current one is not the account’s, or the account has none.',
  fix: 'Try again, or request a password reset by mail.',
});

/** Only returned after the correct password. */
export const emailUnverified = defineError({
  code: 'email_unverified',
  status: 403,
  title: 'E-mail address not verified',
  cause: 'This installation opens sessions for verified addresses only.',
  fix: 'Follow the link in the mail, or request another with POST /api/auth/send-verification-email.',
});

export const invitationOver = defineError({
  code: 'invitation_over',
  status: 409,
  title: 'Invitation no longer needed',
  cause: 'The e-mail address of the account is already verified, or the account is disabled.',
  fix: 'Check the account. A user who forgot the password requests a reset; enable a disabled account first.',
});

export const accountDisabled = defineError({
  code: 'account_disabled',
  status: 409,
  title: 'Account disabled',
  cause: 'The account is disabled: no mail opens it.',
  fix: 'Enable the account first.',
});

export const passwordHashUnknown = defineError({
  code: 'password_hash_unknown',
  title: 'Password hash not supported',
  cause:
    'The hash has no format that is verified here, protects the password too little, or is too expensive to verify.',
  fix: 'Leave it out: the owner chooses a password when accepting the invitation.',
});
