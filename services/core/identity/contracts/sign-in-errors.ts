import { defineError } from '#services/platform/define/error.ts';

/** The same for a wrong password, an unknown account and a disabled account. */
export const loginRefused = defineError({
  code: 'login_refused',
  status: 401,
  title: 'E-mail or password is wrong',
  cause: 'No account has this e-mail with this password.',
  fix: 'Check both and try again.',
});

/** Of a session that is carried over. */
export const sessionSteppedUp = defineError({
  code: 'session_stepped_up',
  status: 401,
  title: 'The session has a second factor here since',
  cause: 'The session was carried over before, and a second factor was added here that the token does not prove.',
  fix: 'Sign in here.',
});

/** The same for a locked account, browser and network, and whether or not the account exists. */
export const loginLocked = defineError({
  code: 'login_locked',
  status: 429,
  title: 'Sign-in temporarily locked',
  cause:
    'There were too many failed sign-ins for this account, from this browser or from this network, or a sign-in looked suspicious. The password was not verified. After a suspicious sign-in, a sign-in through another provider from an unknown device is refused too.',
  fix: 'Try again after Retry-After, sign in from a known device or with a passkey, request the unlock mail, or reset the password.',
});

export const emailTaken = defineError({
  code: 'email_taken',
  status: 409,
  title: 'An account with this e-mail exists',
  cause: 'An account with this e-mail address exists already.',
  fix: 'Sign in instead.',
});

export const hashingBusy = defineError({
  code: 'hashing_busy',
  status: 503,
  title: 'Too many concurrent sign-ins',
  cause: 'The password hashing queue is full, or the request waited too long in the queue. Nothing was changed.',
  fix: 'Try again after Retry-After.',
});

export const sessionUnknown = defineError({
  code: 'session_unknown',
  status: 404,
  title: 'Session not found',
  cause: 'No live session has this id, or the caller may not see it.',
  fix: 'List the live sessions. If yours is not among them, it has ended already and needs no further action.',
});

export const lastAdmin = defineError({
  code: 'last_admin',
  status: 409,
  title: 'Last administrator',
  cause: 'No user who can grant the role `admin` would remain.',
  fix: 'Grant the role to another user first.',
});
