import type { Ports, Tx } from '#services/domain/ports.ts';
import { type AccountRow, findAccount, findAccountByEmail, lockUser } from '../accounts/accounts.store.ts';
import { readInvitation } from '../accounts/invitations.store.ts';
import { findNewestCode } from '../accounts/one-time-codes.store.ts';
import { CODE_SECONDS, issueCode, openCode } from '../accounts/one-time-codes.ts';
import { readCounters } from '../sign-in/sign-in-failures.store.ts';
import {
  accountDeletedLetter,
  accountLinkedLetter,
  accountUnlinkedLetter,
  type Coded,
  closedWords,
  emailChangedLetter,
  factorsResetLetter,
  invitationLetter,
  knownWords,
  lockedWords,
  passwordChangedLetter,
  resetLetter,
  resetWords,
  unlockLetter,
  verifyLetter,
} from './letters.ts';
import type { Letter } from './render-mail.ts';

/** What a pending sign-up carries until its address is proved. */
export type PendingSignUp = { readonly name: string };

/** A mail as it is asked for: to whom and why. `to` is in its stored form (`normaliseEmail`). */
export type MailRequest =
  | ({ readonly template: 'sign_up'; readonly to: string } & PendingSignUp)
  | { readonly template: 'verify_email'; readonly to: string }
  | { readonly template: 'reset_password'; readonly to: string }
  /** `counter`: key under which failures of that account are counted, of every address. */
  | {
      readonly template: 'unlock_account';
      readonly to: string;
      readonly counter: string;
      /** Nobody has asked for it: an incident closed the account. */
      readonly isUnasked?: true;
    }
  /** To a user whom somebody has made; another one may have the address by the time it is sent. `lifeSeconds`: of its code. */
  | { readonly template: 'invitation'; readonly to: string; readonly userId: string; readonly lifeSeconds: number }
  /** `userEpoch`: of the user who asks, in the transaction of asking; the mail is due while it is the same. */
  | { readonly template: 'change_email'; readonly to: string; readonly userId: string; readonly userEpoch: number }
  | { readonly template: 'password_changed'; readonly to: string }
  | { readonly template: 'factors_reset'; readonly to: string }
  | { readonly template: 'email_changed'; readonly to: string }
  | { readonly template: 'account_deleted'; readonly to: string }
  /** `provider`: its name in the configuration. */
  | { readonly template: 'account_linked' | 'account_unlinked'; readonly to: string; readonly provider: string };

type MailTemplate = MailRequest['template'];

/** A request as its row holds it. */
export type StoredMail<R extends MailRequest = MailRequest> = R & {
  /** Id of the row, and of the code the mail carries. */
  readonly id: string;
  readonly publicUrl: string;
  readonly askedAt: Date;
};

type WritePorts = Pick<Ports, 'vault' | 'random'>;
type Write<R extends MailRequest> = (tx: Tx, ports: WritePorts, mail: StoredMail<R>) => Promise<Letter | null>;
type MailOf<T extends MailTemplate> = Extract<MailRequest, { readonly template: T }>;

/** A code for an account that is there; null where none may be given. */
async function codeFor(
  tx: Tx,
  ports: WritePorts,
  purpose: 'verify_email' | 'reset_password' | 'change_email' | 'unlock_account' | 'invitation',
  { id, publicUrl }: Pick<StoredMail, 'id' | 'publicUrl'>,
  { id: userId, tokenEpoch: userEpoch, email }: Pick<AccountRow, 'id' | 'tokenEpoch' | 'email'>,
  lifeSeconds: number,
  isUnasked = false,
): Promise<Coded | null> {
  const code = await issueCode(tx, ports, { id, purpose, userId, userEpoch, email, lifeSeconds, isUnasked });
  return code === null ? null : { url: publicUrl, code, lifeSeconds };
}

/** A code of a sign-up, for an account that begins with the proof. */
async function signUpLetter(
  tx: Tx,
  ports: WritePorts,
  { id, to: email, publicUrl: url }: Pick<StoredMail, 'id' | 'to' | 'publicUrl'>,
  carries: PendingSignUp,
): Promise<Letter | null> {
  const lifeSeconds = CODE_SECONDS.sign_up;
  const sent = { id, purpose: 'sign_up', userId: null, userEpoch: null, email, lifeSeconds, carries } as const;
  const code = await issueCode(tx, ports, sent);
  return code === null ? null : verifyLetter({ url, code, lifeSeconds });
}

async function resetMail(
  tx: Tx,
  ports: WritePorts,
  mail: StoredMail,
  account: AccountRow,
  about: Pick<Letter, 'subject' | 'paragraphs'>,
): Promise<Letter | null> {
  const { isDisabled, passwordChangedAt } = account;
  // A mail that is tried again must not bring back what a new password has ended.
  if (isDisabled || (passwordChangedAt !== null && passwordChangedAt > mail.askedAt)) return null;
  const coded = await codeFor(tx, ports, 'reset_password', mail, account, CODE_SECONDS.reset_password);
  return coded && resetLetter(coded, about);
}

/** How each mail is written, at the moment it is sent. Null: there is nothing to say, and nobody is told. */
const WRITERS: { readonly [T in MailTemplate]: Write<MailOf<T>> } = {
  sign_up: async (tx, ports, mail) => {
    const account = await findAccountByEmail(tx, mail.to);
    if (account?.emailVerified) return resetMail(tx, ports, mail, account, knownWords(mail.publicUrl));
    return signUpLetter(tx, ports, mail, { name: mail.name });
  },
  verify_email: async (tx, ports, mail) => {
    const account = await findAccountByEmail(tx, mail.to);
    if (account?.emailVerified) return null;
    const pending = await findNewestCode(tx, mail.to, 'sign_up');
    if (pending) return signUpLetter(tx, ports, mail, openCode(ports, pending) as PendingSignUp);
    const coded = account && (await codeFor(tx, ports, 'verify_email', mail, account, CODE_SECONDS.verify_email));
    return coded ? verifyLetter(coded) : null;
  },
  reset_password: async (tx, ports, mail) => {
    const account = await findAccountByEmail(tx, mail.to);
    return account ? resetMail(tx, ports, mail, account, resetWords(mail.publicUrl)) : null;
  },
  unlock_account: async (tx, ports, mail) => {
    // Nothing to unlock: this is written long after the answer, so that it tells nobody.
    if (!(await readCounters(tx, [mail.counter])).some(({ failures }) => failures > 0)) return null;
    const found = await findAccountByEmail(tx, mail.to);
    // An act that ends every login finds the code that it ends, or is over before this one is made.
    if (found) await lockUser(tx, found.id);
    const account = await findAccountByEmail(tx, mail.to);
    const { isUnasked = false } = mail;
    // Unasked, nobody is written to at an address that somebody else may have given.
    if (!account || account.isDisabled || (isUnasked && !account.emailVerified)) return null;
    const lifeSeconds = CODE_SECONDS.unlock_account;
    const coded = await codeFor(tx, ports, 'unlock_account', mail, account, lifeSeconds, isUnasked);
    return coded && unlockLetter(coded, (isUnasked ? closedWords : lockedWords)(coded.url));
  },
  invitation: async (tx, ports, mail) => {
    // Whoever accepts one or asks for another waits, or is waited for; of an invitation before there is no code again.
    await lockUser(tx, mail.userId);
    if ((await readInvitation(tx, mail.userId))?.id !== mail.id) return null;
    const account = await findAccount(tx, mail.userId);
    // Whoever has proved the address has no use for it any more.
    const isDue = account && !account.isDisabled && !account.emailVerified && account.email === mail.to;
    const coded = isDue && (await codeFor(tx, ports, 'invitation', mail, account, mail.lifeSeconds));
    return coded ? invitationLetter(coded) : null;
  },
  change_email: async (tx, ports, mail) => {
    const { to: email, userId, userEpoch } = mail;
    const account = await findAccount(tx, userId);
    if (!account || account.isDisabled || account.tokenEpoch !== userEpoch) return null;
    const other = await findAccountByEmail(tx, email);
    if (other) return other.id === userId ? null : resetMail(tx, ports, mail, other, knownWords(mail.publicUrl));
    const coded = await codeFor(tx, ports, 'change_email', mail, { ...account, email }, CODE_SECONDS.change_email);
    return coded && verifyLetter(coded);
  },
  password_changed: async () => passwordChangedLetter,
  factors_reset: async (_tx, _ports, { publicUrl }) => factorsResetLetter(publicUrl),
  email_changed: async () => emailChangedLetter,
  account_deleted: async () => accountDeletedLetter,
  account_linked: async (_tx, _ports, { provider, publicUrl }) => accountLinkedLetter(provider, publicUrl),
  account_unlinked: async (_tx, _ports, { provider, publicUrl }) => accountUnlinkedLetter(provider, publicUrl),
};

export const writeMail = (tx: Tx, ports: WritePorts, mail: StoredMail): Promise<Letter | null> =>
  (WRITERS[mail.template] as Write<MailRequest>)(tx, ports, mail);
