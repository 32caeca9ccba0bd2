import { invitationPurge } from '../mail/invitations.store.ts';
import { mailPurge } from '../mail/mail.store.ts';
import { codePurge } from '../mail/one-time-codes.store.ts';
import { importedKeyPurge } from '../passwords/imported-keys.store.ts';
import { loginChallengePurge } from '../sessions/login-challenge.store.ts';
import { sessionPurge } from '../sessions/sessions.store.ts';
import { socialAttemptPurge } from '../social/social.store.ts';
import { verificationPurge } from '../users/accounts.store.ts';
import { signInFailurePurges } from '../users/sign-in-failures.store.ts';

/** Rows that this module deletes after they expire. */
export const sessionPurges = [
  sessionPurge,
  verificationPurge,
  loginChallengePurge,
  ...signInFailurePurges,
  codePurge,
  mailPurge,
  invitationPurge,
  importedKeyPurge,
  socialAttemptPurge,
] as const;
