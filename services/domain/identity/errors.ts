import { defineError } from '#services/platform/define/error.ts';

/** The same for a wrong password, an unknown account and a disabled one. */
export const loginRefused = defineError({
  code: 'login_refused',
  status: 401,
  title: 'E-mail or password is wrong',
  cause: 'No account has this e-mail with this password.',
  fix: 'Check both and try again.',
  retryable: false,
});

/** The same for an account, a browser and a network that is locked, and whether or not there is such an account. */
export const loginLocked = defineError({
  code: 'login_locked',
  status: 429,
  title: 'This alone is not enough to sign in now',
  cause:
    "This name, browser or network gave too many wrong passwords, or a sign-in looked like a stranger's, after which another provider alone opens nothing from an unknown device either. A password was not looked at.",
  fix: 'Try again after Retry-After, sign in where you have signed in before or by passkey, ask for the mail that unlocks the account, or reset the password.',
  retryable: true,
});

export const emailTaken = defineError({
  code: 'email_taken',
  status: 409,
  title: 'An account with this e-mail exists',
  cause: 'Somebody signed up with this address before.',
  fix: 'Sign in instead.',
  retryable: false,
});

export const hashingBusy = defineError({
  code: 'hashing_busy',
  status: 503,
  title: 'Too many logins at once',
  cause: 'The queue of passwords to hash is full, or the wait in it was too long. Nothing was changed.',
  fix: 'Try again after Retry-After.',
  retryable: true,
});

export const sessionUnknown = defineError({
  code: 'session_unknown',
  status: 404,
  title: 'There is no such session',
  cause: 'No live session has this id, or it is not one that the caller may know of.',
  fix: 'List the sessions there are; one that ended needs no ending.',
  retryable: false,
});

export const lastAdmin = defineError({
  code: 'last_admin',
  status: 409,
  title: 'This is the last administrator',
  cause: 'Nobody would be left who can give the role `admin`.',
  fix: 'Give somebody else the role first.',
  retryable: false,
});
