import type { Caller, Tx } from '../../ports.ts';
import { passwordRequired } from '../account-errors.ts';
import { readOwnSession } from '../factors/factors.store.ts';
import { proveOwnPassword } from '../factors/prove-own-password.ts';
import { admissionOf, inQueue } from '../hash-password.ts';
import type { PendingSignUp } from '../mail/mails.ts';
import type { MailPorts } from '../mail/queue-mail.ts';
import { isHashable } from '../password-policy.ts';
import { findByCookie } from '../read-session.ts';
import type { LoginPorts } from '../sign-in.ts';
import { type AccountRow, findAccount, findAccountByEmail } from './accounts.store.ts';
import type { CodePurpose, CodeRow } from './one-time-codes.store.ts';
import { openCode } from './one-time-codes.ts';
import { newDigest } from './set-password.ts';

export type VerifyPorts = LoginPorts & MailPorts;

export type VerifyInput = {
  readonly token: string;
  readonly password?: string | undefined;
  /** The Cookie header: who is signed in to the account of the code needs no password. */
  readonly cookie?: string | undefined;
  readonly signal?: AbortSignal;
};

/** What the reader of a mail has beside its code: a session or the password of the account, or a password for it. */
export type Reader =
  | { readonly by: 'session'; readonly sessionId: string }
  | { readonly by: 'password'; readonly digest: string }
  | { readonly by: 'new_password'; readonly digest: string };

/**
 * Judges, outside of any transaction, what comes with a code. Undefined where its account is gone or disabled. A wrong
 * password of an account whose address is proved counts as a failed login; of one that nobody has proved it is the new
 * one, so that each code allows one guess at most.
 * @throws passwordRequired, the `passwordErrors` (400), currentPasswordWrong (403), loginLocked (429), hashingBusy (503)
 */
export async function readerOf(
  ports: VerifyPorts,
  code: CodeRow & { readonly purpose: CodePurpose },
  { password, cookie, signal }: VerifyInput,
  caller: Caller,
): Promise<Reader | undefined> {
  const { userId, email, purpose } = code;
  const account = await (userId === null ? findAccountByEmail(ports.sql, email) : findAccount(ports.sql, userId));
  if (userId !== null) {
    if (!account || account.isDisabled) return undefined;
    const own = await findByCookie(ports, cookie);
    if (own?.user.id === userId) return { by: 'session', sessionId: own.session.id };
  }
  if (password === undefined) throw passwordRequired();
  const sent = { password, cookie, ...(signal ? { signal } : {}) };
  if (userId !== null && purpose === 'change_email')
    return { by: 'password', digest: await proveOwnPassword(ports, userId, sent, caller) };
  const digest = userId === null ? null : (account?.digest ?? null);
  const isOwn =
    digest !== null &&
    isHashable(password) &&
    (await inQueue(ports.hasher.verify(password, digest, admissionOf(caller, signal))));
  if (isOwn) return { by: 'password', digest };
  const owner = account ?? { email, name: (openCode(ports, code) as PendingSignUp).name, roles: ['user'] };
  return { by: 'new_password', digest: await newDigest(ports, { password, owner, signal }, caller) };
}

/** Whether that still counts, read with the account locked. */
export async function holds(tx: Tx, { id, digest }: AccountRow, reader: Reader): Promise<boolean> {
  if (reader.by === 'session') return (await readOwnSession(tx, reader.sessionId, id)) !== undefined;
  return reader.by === 'new_password' || reader.digest === digest;
}
