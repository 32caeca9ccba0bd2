import type { Caller, Tx } from '#services/core/ports.ts';
import { passwordRequired } from '../contracts/account-errors.ts';
import { verifyOwnPassword } from '../factors/verify-own-password.ts';
import type { PendingSignUp } from '../mail/mails.ts';
import type { CodePurpose, CodeRow } from '../mail/one-time-codes.store.ts';
import { type MailedCode, openCode } from '../mail/one-time-codes.ts';
import type { MailPorts } from '../mail/queue-mail.ts';
import { admissionOf, inQueue, isHashable } from '../passwords/hash-password.ts';
import { findByCookie } from '../sessions/read-session.ts';
import { readOwnSession } from '../sessions/sessions.store.ts';
import type { SignInPorts } from '../sign-in/sign-in.ts';
import { type AccountRow, findAccount, findAccountByEmail } from '../users/accounts.store.ts';
import { newDigest } from './set-password.ts';

export type VerifyPorts = SignInPorts & MailPorts;

export type VerifyInput = {
  readonly token: MailedCode;
  readonly password?: string | undefined;
  /** The Cookie header: a request with a session of the code's account needs no password. */
  readonly cookie?: string | undefined;
  readonly signal?: AbortSignal;
};

/**
 * What the reader of the mail presents besides the code: a session or the password of the account, or a new password.
 */
export type Reader =
  | { readonly by: 'session'; readonly userId: string; readonly sessionId: string }
  /** `since`: when this password was set. */
  | { readonly by: 'password'; readonly userId: string; readonly since: Date | null }
  | { readonly by: 'new_password'; readonly userId: string; readonly digest: string }
  /** For an account that is created by redeeming the code. */
  | { readonly by: 'new_account'; readonly digest: string };

export type ReaderOfAccount = Exclude<Reader, { readonly by: 'new_account' }>;

/**
 * Verifies, outside of any transaction, the credentials sent with a code. Returns undefined if the account is deleted
 * or disabled. For a verified address, a wrong password counts as a failed sign-in. For an unverified address, a wrong
 * password becomes the new password, so each code allows one guess at most.
 * @throws passwordRequired, the `passwordErrors` (400), currentPasswordWrong (403), loginLocked (429), hashingBusy
 *   (503)
 */
export async function readerOf(
  ports: VerifyPorts,
  code: CodeRow & { readonly purpose: CodePurpose },
  input: VerifyInput,
  caller: Caller,
): Promise<Reader | undefined> {
  const { user_id: userId, email, purpose } = code;
  const { cookie, signal } = input;
  if (userId === null) {
    const { name } = openCode(ports, code) as PendingSignUp;
    const owner = (await findAccountByEmail(ports.sql, email)) ?? { email, name, roles: ['user'] };
    const digest = await newDigest(ports, { password: sentPassword(input), owner, signal }, caller);
    return { by: 'new_account', digest };
  }
  const account = await findAccount(ports.sql, userId);
  if (!account || account.isDisabled) return undefined;
  const own = await findByCookie(ports, cookie);
  if (own?.user.id === userId) return { by: 'session', userId, sessionId: own.session.id };
  const password = sentPassword(input);
  if (purpose === 'change_email') {
    const { passwordChangedAt: since } = await verifyOwnPassword(ports, userId, { password, cookie, signal }, caller);
    return { by: 'password', userId, since };
  }
  const { digest, passwordChangedAt: since } = account;
  const isOwn =
    digest !== null &&
    isHashable(password) &&
    (await inQueue(ports.hasher.verify(password, digest, admissionOf(caller, signal))));
  if (isOwn) return { by: 'password', userId, since };
  const newOne = await newDigest(ports, { password, owner: account, signal }, caller);
  return { by: 'new_password', userId, digest: newOne };
}

function sentPassword({ password }: VerifyInput): string {
  if (password === undefined) throw passwordRequired();
  return password;
}

/**
 * Whether the reader's session or password is still valid; the caller has locked the account. A stronger digest of the
 * same password is accepted: every act that sets another password updates `passwordChangedAt` (row trigger).
 */
export async function isStillValid(
  tx: Tx,
  { id, digest, passwordChangedAt }: AccountRow,
  reader: ReaderOfAccount,
): Promise<boolean> {
  if (reader.by === 'session') return (await readOwnSession(tx, reader.sessionId, id)) !== undefined;
  if (reader.by === 'new_password') return true;
  return digest !== null && passwordChangedAt?.getTime() === reader.since?.getTime();
}
