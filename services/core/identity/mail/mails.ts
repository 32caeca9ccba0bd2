import type { Ports, Tx } from '#services/core/ports.ts';
import type { LanguageTag } from '#services/platform/define/languages.ts';
import { type AccountRow, findAccount, findAccountByEmail, lockUser } from '../users/accounts.store.ts';
import { readCounters } from '../users/sign-in-failures.store.ts';
import { readInvitation } from './invitations.store.ts';
import type { Coded } from './letter-links.ts';
import * as english from './letters.ts';
import * as german from './letters-german.ts';
import { findNewestCode } from './one-time-codes.store.ts';
import { CODE_SECONDS, issueCode, type NewCode, openCode } from './one-time-codes.ts';
import type { Letter } from './render-mail.ts';

/** What a pending sign-up carries until its address is verified. */
export type PendingSignUp = { readonly name: string };

/** What the code of a new address carries: the session that asked for it. */
export type AskedBy = { readonly sessionId: string };

/** `page`: where the browser goes once the address is verified; an address on an allowed origin. */
type Landing = { readonly page?: string | undefined };

/** A mail request: template, recipient and data. `to` is in its stored form (`normaliseEmail`). */
export type MailRequest =
  | ({ readonly template: 'sign_up'; readonly to: string } & PendingSignUp & Landing)
  | ({ readonly template: 'verify_email'; readonly to: string } & Landing)
  /** `page`: the page of an application that asks for the new password; ours without it. */
  | { readonly template: 'reset_password'; readonly to: string; readonly page?: string | undefined }
  /** `counter`: key of the account's failure counter across all networks. */
  | {
      readonly template: 'unlock_account';
      readonly to: string;
      readonly counter: string;
      /** Sent without a request: an incident locked the account. */
      readonly isUnasked?: true;
    }
  /**
   * For an invited user; when the mail is sent, the address may already belong to another account. `lifeSeconds`:
   * lifetime of its code.
   */
  | { readonly template: 'invitation'; readonly to: string; readonly userId: string; readonly lifeSeconds: number }
  /**
   * `userEpoch`: epoch of the requesting user, read in the transaction of the request; the mail is sent only while it
   * is unchanged.
   */
  | ({
      readonly template: 'change_email';
      readonly to: string;
      readonly userId: string;
      readonly userEpoch: number;
      /** The session that asked; absent in mails of an earlier release, whose codes are refused. */
      readonly sessionId?: string;
    } & Landing)
  | { readonly template: 'password_changed'; readonly to: string }
  | { readonly template: 'factors_reset'; readonly to: string }
  | { readonly template: 'email_changed'; readonly to: string }
  | { readonly template: 'account_deleted'; readonly to: string }
  /** `provider`: name in the configuration. */
  | { readonly template: 'account_linked' | 'account_unlinked'; readonly to: string; readonly provider: string }
  /** To an operator, in plain text; what others wrote was made visible before. */
  | {
      readonly template: 'alert';
      readonly to: string;
      readonly subject: string;
      readonly paragraphs: readonly string[];
    };

type MailTemplate = MailRequest['template'];

export type StoredMail<R extends MailRequest = MailRequest> = R & {
  /** Id of the row and of the code in the mail. */
  readonly id: string;
  readonly publicUrl: string;
  /** Of the request that caused the mail; undefined if no request did. */
  readonly language?: LanguageTag | undefined;
  readonly askedAt: Date;
};

const LETTERS: Readonly<Record<LanguageTag, typeof english>> = { en: english, de: german };
const lettersFor = ({ language = 'en' }: Pick<StoredMail, 'language'>): typeof english => LETTERS[language];

type WritePorts = Pick<Ports, 'vault' | 'random'>;
type Write<R extends MailRequest> = (tx: Tx, ports: WritePorts, mail: StoredMail<R>) => Promise<Letter | null>;
type MailOf<T extends MailTemplate> = Extract<MailRequest, { readonly template: T }>;

/** Issues a code for an existing account; null if it has too many valid codes. */
async function codeFor(
  tx: Tx,
  ports: WritePorts,
  purpose: 'verify_email' | 'reset_password' | 'change_email' | 'unlock_account' | 'invitation',
  { id, publicUrl }: Pick<StoredMail, 'id' | 'publicUrl'>,
  { id: userId, tokenEpoch: userEpoch, email }: Pick<AccountRow, 'id' | 'tokenEpoch' | 'email'>,
  lifeSeconds: number,
  { isUnasked = false, carries }: Pick<NewCode, 'isUnasked' | 'carries'> = {},
): Promise<Coded | null> {
  const code = { id, purpose, userId, userEpoch, email, lifeSeconds, isUnasked, ...(carries ? { carries } : {}) };
  const issued = await issueCode(tx, ports, code);
  return issued && { url: publicUrl, ...issued, lifeSeconds };
}

/** Writes the mail of a sign-up; redeeming its code creates the account. */
async function signUpLetter(
  tx: Tx,
  ports: WritePorts,
  mail: Pick<StoredMail, 'id' | 'to' | 'publicUrl' | 'language'> & Landing,
  carries: PendingSignUp,
): Promise<Letter | null> {
  const { id, to: email, publicUrl: url } = mail;
  const lifeSeconds = CODE_SECONDS.sign_up;
  const sent = { id, purpose: 'sign_up', userId: null, userEpoch: null, email, lifeSeconds, carries } as const;
  const issued = await issueCode(tx, ports, sent);
  return issued && lettersFor(mail).verifyLetter({ url, ...issued, lifeSeconds, page: mail.page });
}

async function resetMail(
  tx: Tx,
  ports: WritePorts,
  mail: StoredMail,
  account: AccountRow,
  about: Pick<Letter, 'subject' | 'paragraphs'>,
  page?: string,
): Promise<Letter | null> {
  const { isDisabled, passwordChangedAt } = account;
  // A new password ends access by earlier codes: a retried mail must not give it back.
  if (isDisabled || (passwordChangedAt !== null && passwordChangedAt > mail.askedAt)) return null;
  const coded = await codeFor(tx, ports, 'reset_password', mail, account, CODE_SECONDS.reset_password);
  return coded && lettersFor(mail).resetLetter({ ...coded, page }, about);
}

/** Writes each mail when it is sent; null sends no mail. */
const WRITERS: { readonly [T in MailTemplate]: Write<MailOf<T>> } = {
  sign_up: async (tx, ports, mail) => {
    const account = await findAccountByEmail(tx, mail.to);
    if (account?.emailVerified) return resetMail(tx, ports, mail, account, lettersFor(mail).knownWords(mail.publicUrl));
    return signUpLetter(tx, ports, mail, { name: mail.name });
  },
  verify_email: async (tx, ports, mail) => {
    const account = await findAccountByEmail(tx, mail.to);
    if (account?.emailVerified) return null;
    const pending = await findNewestCode(tx, mail.to, 'sign_up');
    if (pending) return signUpLetter(tx, ports, mail, openCode(ports, pending) as PendingSignUp);
    const coded = account && (await codeFor(tx, ports, 'verify_email', mail, account, CODE_SECONDS.verify_email));
    return coded ? lettersFor(mail).verifyLetter({ ...coded, page: mail.page }) : null;
  },
  reset_password: async (tx, ports, mail) => {
    const account = await findAccountByEmail(tx, mail.to);
    return account ? resetMail(tx, ports, mail, account, lettersFor(mail).resetWords(mail.publicUrl), mail.page) : null;
  },
  unlock_account: async (tx, ports, mail) => {
    // There is nothing to unlock. The response was sent before, so it does not reveal this.
    if (!(await readCounters(tx, [mail.counter])).some(({ failures }) => failures > 0)) return null;
    const found = await findAccountByEmail(tx, mail.to);
    // An act that ends every session either finds this code and voids it, or commits before this code is issued.
    if (found) await lockUser(tx, found.id);
    const account = await findAccountByEmail(tx, mail.to);
    const { isUnasked = false } = mail;
    // An unrequested mail is never sent to an unverified address, which may belong to another person.
    if (!account || account.isDisabled || (isUnasked && !account.emailVerified)) return null;
    const lifeSeconds = CODE_SECONDS.unlock_account;
    const coded = await codeFor(tx, ports, 'unlock_account', mail, account, lifeSeconds, { isUnasked });
    const { unlockLetter, closedWords, lockedWords } = lettersFor(mail);
    return coded && unlockLetter(coded, (isUnasked ? closedWords : lockedWords)(coded.url));
  },
  invitation: async (tx, ports, mail) => {
    // The lock makes acceptance and repetition of the invitation wait, so that a replaced invitation gets no code.
    await lockUser(tx, mail.userId);
    if ((await readInvitation(tx, mail.userId))?.id !== mail.id) return null;
    const account = await findAccount(tx, mail.userId);
    // A verified address needs no invitation.
    const isDue = account && !account.isDisabled && !account.emailVerified && account.email === mail.to;
    const coded = isDue && (await codeFor(tx, ports, 'invitation', mail, account, mail.lifeSeconds));
    return coded ? lettersFor(mail).invitationLetter(coded) : null;
  },
  change_email: async (tx, ports, mail) => {
    const { to: email, userId, userEpoch } = mail;
    const account = await findAccount(tx, userId);
    if (!account || account.isDisabled || account.tokenEpoch !== userEpoch) return null;
    const other = await findAccountByEmail(tx, email);
    if (other)
      return other.id === userId
        ? null
        : resetMail(tx, ports, mail, other, lettersFor(mail).knownWords(mail.publicUrl));
    const askedBy: AskedBy = { sessionId: mail.sessionId ?? '' };
    const asked = { ...account, email };
    const coded = await codeFor(tx, ports, 'change_email', mail, asked, CODE_SECONDS.change_email, {
      carries: askedBy,
    });
    return coded && lettersFor(mail).verifyLetter({ ...coded, page: mail.page });
  },
  password_changed: async (_tx, _ports, mail) => lettersFor(mail).passwordChangedLetter,
  factors_reset: async (_tx, _ports, mail) => lettersFor(mail).factorsResetLetter(mail.publicUrl),
  email_changed: async (_tx, _ports, mail) => lettersFor(mail).emailChangedLetter,
  account_deleted: async (_tx, _ports, mail) => lettersFor(mail).accountDeletedLetter,
  account_linked: async (_tx, _ports, { provider, publicUrl, language }) =>
    lettersFor({ language }).accountLinkedLetter(provider, publicUrl),
  account_unlinked: async (_tx, _ports, { provider, publicUrl, language }) =>
    lettersFor({ language }).accountUnlinkedLetter(provider, publicUrl),
  alert: async (_tx, _ports, { subject, paragraphs }) => ({ subject, paragraphs }),
};

export const writeMail = (tx: Tx, ports: WritePorts, mail: StoredMail): Promise<Letter | null> =>
  (WRITERS[mail.template] as Write<MailRequest>)(tx, ports, mail);
