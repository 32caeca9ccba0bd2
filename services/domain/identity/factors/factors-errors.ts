import { defineError } from '#services/platform/define/error.ts';

/**
 * `challenge` and `factors` come with it: what to answer, and with what. After another provider `callbackURL` too, where
 * one was given: where to go then.
 */
export const secondFactorRequired = defineError({
  code: 'second_factor_required',
  status: 401,
  title: 'A second factor is needed',
  cause:
    'The password, or the answer of another provider, is right, and the account has a second factor. No session was made.',
  fix: 'POST /api/auth/second-factor with `challenge` and a code within ten minutes, or sign in with a passkey.',
  retryable: false,
});

/** The same for a wrong code, one used before, and a factor the account does not have. */
export const secondFactorRefused = defineError({
  code: 'second_factor_refused',
  status: 401,
  title: 'The second factor does not count',
  cause: 'The code is wrong, was used before, or its time is over.',
  fix: 'Wait for the next code, or use a recovery code. A challenge takes five tries.',
  retryable: false,
});

export const secondFactorLocked = defineError({
  code: 'second_factor_locked',
  status: 429,
  title: 'Too many wrong codes',
  cause: 'Codes of this authenticator are not looked at for a while.',
  fix: 'Use a recovery code or a passkey, or wait for Retry-After.',
  retryable: true,
});

export const challengeOver = defineError({
  code: 'challenge_over',
  status: 401,
  title: 'The challenge is not answered any more',
  cause: 'It was answered, its ten minutes or five tries are over, or the account has changed since.',
  fix: 'Begin again.',
  retryable: false,
});

export const factorConflict = defineError({
  code: 'factor_conflict',
  status: 409,
  title: 'The second factor is not in that state',
  cause: 'An authenticator app is confirmed already, there is none to confirm or remove, or the passkey is registered.',
  fix: 'Read GET /api/auth/factors.',
  retryable: false,
});

export const factorCodeWrong = defineError({
  code: 'factor_code_wrong',
  status: 400,
  title: 'The code does not fit the new authenticator',
  cause: 'The code is wrong, or the clock of the device is off by more than half a minute.',
  fix: 'Check the clock of the device and send the code it shows now.',
  retryable: false,
});

export const passkeyRefused = defineError({
  code: 'passkey_refused',
  status: 401,
  title: 'The passkey does not count',
  cause: 'It is unknown here, did not verify its user, or answers another challenge, origin or relying party.',
  fix: 'Ask for new options and try again.',
  retryable: false,
});

export const passkeyUnknown = defineError({
  code: 'passkey_unknown',
  status: 404,
  title: 'There is no such passkey',
  cause: 'The account has no passkey of this id.',
  fix: 'Read GET /api/auth/passkeys.',
  retryable: false,
});

export const factorsAbsent = defineError({
  code: 'factors_absent',
  status: 409,
  title: 'There is no second factor to reset',
  cause: 'The account has no authenticator app, and passkeys go only where `passkeys` is true.',
  fix: 'Read GET /v1/admin/users/{user_id}: `factors` says what there is.',
  retryable: false,
});
