import { invitationPurge } from './accounts/invitations.store.ts';
import { codePurge } from './accounts/one-time-codes.store.ts';
import { loginChallengePurge } from './factors/login-challenge.store.ts';
import { sessionPurge, verificationPurge } from './identity.store.ts';
import { mailPurge } from './mail/mail.store.ts';
import { signInFailurePurges } from './sign-in/sign-in-failures.store.ts';
import { socialAttemptPurge } from './social/social.store.ts';

/** Rows that this module deletes after they expire. */
export const sessionPurges = [
  sessionPurge,
  verificationPurge,
  loginChallengePurge,
  ...signInFailurePurges,
  codePurge,
  mailPurge,
  invitationPurge,
  socialAttemptPurge,
] as const;
