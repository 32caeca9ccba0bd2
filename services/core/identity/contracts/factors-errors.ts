import { defineError } from '#services/platform/define/error.ts';

/** The same for a wrong code, a used code, and a factor the account does not have. */
export const secondFactorRefused = defineError({
  code: 'second_factor_refused',
  status: 401,
  title: 'Second factor not accepted',
  cause: 'The code is wrong, was used before, or has expired.',
  fix: 'Wait for the next code, or use a recovery code. A challenge allows five attempts.',
});

export const secondFactorLocked = defineError({
  code: 'second_factor_locked',
  status: 429,
  title: 'Too many wrong codes',
  cause: 'Too many wrong codes were sent; codes of this authenticator are refused for a while.',
  fix: 'Use a recovery code or a passkey, or wait for Retry-After.',
});

export const challengeOver = defineError({
  code: 'challenge_over',
  status: 401,
  title: 'Challenge expired or already used',
  cause:
    'The challenge was already answered, its ten minutes or five attempts are used up, or the account has changed since.',
  fix: 'Start the sign-in again.',
});

export const factorConflict = defineError({
  code: 'factor_conflict',
  status: 409,
  title: 'Not possible in the current state of the second factor',
  cause:
    'An authenticator app is already confirmed, there is none to confirm or remove, or the passkey is already registered.',
  fix: 'Read the current state with GET /api/auth/factors, then repeat the step that it allows.',
});

export const factorCodeWrong = defineError({
  code: 'factor_code_wrong',
  title: 'Code of the new authenticator is wrong',
  cause: 'The code is wrong, or the clock of the device is off by more than half a minute.',
  fix: 'Check the clock of the device and send the code it shows now.',
});

export const passkeyRefused = defineError({
  code: 'passkey_refused',
  status: 401,
  title: 'Passkey not accepted',
  cause: 'The passkey is unknown, did not verify its user, or answers another challenge, origin or relying party.',
  fix: 'Request new options and try again.',
});

export const passkeyUnknown = defineError({
  code: 'passkey_unknown',
  status: 404,
  title: 'Passkey not found',
  cause: 'The account has no passkey with this id.',
  fix: 'List the passkeys of the account with GET /api/auth/passkeys.',
});

export const factorsAbsent = defineError({
  code: 'factors_absent',
  status: 409,
  title: 'No second factor to reset',
  cause: 'The account has no authenticator app, and passkeys are removed only if `passkeys` is true.',
  fix: 'Check `factors` in GET /v1/admin/users/{user_id}. If it lists passkeys that must go too, send `passkeys: true`.',
});
