import type { Ports, Tx } from '../../ports.ts';
import { type AccountRow, findAccount, findAccountByEmail } from '../accounts/accounts.store.ts';
import { type CodePurpose, findNewestCode } from '../accounts/one-time-codes.store.ts';
import { CODE_SECONDS, issueCode, openCode } from '../accounts/one-time-codes.ts';
import type { Letter } from './render-mail.ts';

/** What a pending sign-up carries until its address is proved. */
export type PendingSignUp = { readonly name: string };

/** A mail as it is asked for: to whom and why. `to` is in its stored form (`normaliseEmail`). */
export type MailRequest =
  | ({ readonly template: 'sign_up'; readonly to: string } & PendingSignUp)
  | { readonly template: 'verify_email'; readonly to: string }
  | { readonly template: 'reset_password'; readonly to: string }
  /** `userEpoch`: of the user who asks, in the transaction of asking; the mail is due while it is the same. */
  | { readonly template: 'change_email'; readonly to: string; readonly userId: string; readonly userEpoch: number }
  | { readonly template: 'password_changed'; readonly to: string }
  | { readonly template: 'email_changed'; readonly to: string }
  | { readonly template: 'account_deleted'; readonly to: string };

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

const minutes = (purpose: CodePurpose): string => `${CODE_SECONDS[purpose] / 60} minutes`;
const NOT_YOU = 'If this was not you, you need not do anything.';
const SOON = 'If this was not you, choose a new password at once.';

const verifyLetter = (mail: StoredMail, code: string | null, purpose: CodePurpose): Letter | null =>
  code === null
    ? null
    : {
        subject: 'Confirm your e-mail address',
        paragraphs: [
          `Somebody, most likely you, gave this address for an account at ${mail.publicUrl}.`,
          `Confirm within ${minutes(purpose)} that it is yours, and only if you asked for it.`,
          NOT_YOU,
        ],
        link: { label: 'Confirm this address', page: `${mail.publicUrl}/account/verify-email`, code },
      };

async function resetLetter(
  tx: Tx,
  ports: WritePorts,
  mail: StoredMail,
  account: AccountRow,
  about: Pick<Letter, 'subject' | 'paragraphs'>,
): Promise<Letter | null> {
  const { id: userId, tokenEpoch: userEpoch, email, passwordChangedAt } = account;
  // A mail that is tried again must not bring back what a new password has ended.
  if (account.isDisabled || (passwordChangedAt !== null && passwordChangedAt > mail.askedAt)) return null;
  const purpose = 'reset_password';
  const code = await issueCode(tx, ports, { id: mail.id, purpose, userId, userEpoch, email });
  if (code === null) return null;
  const link = { label: 'Choose a new password', page: `${mail.publicUrl}/account/reset-password`, code };
  return {
    ...about,
    paragraphs: [...about.paragraphs, `The link below works for ${minutes(purpose)}, once.`, NOT_YOU],
    link,
  };
}

const knownLetter = (mail: StoredMail): Pick<Letter, 'subject' | 'paragraphs'> => ({
  subject: 'You have an account already',
  paragraphs: [
    `Somebody, most likely you, tried to use this address for an account at ${mail.publicUrl}. There is one already: sign in with it.`,
    'If you have forgotten its password, choose a new one.',
  ],
});

const notice =
  (subject: string, ...paragraphs: readonly string[]) =>
  async (): Promise<Letter> => ({
    subject,
    paragraphs,
  });

/** How each mail is written, at the moment it is sent. Null: there is nothing to say, and nobody is told. */
const WRITERS: { readonly [T in MailTemplate]: Write<MailOf<T>> } = {
  sign_up: async (tx, ports, mail) => {
    const { id, to, name } = mail;
    const account = await findAccountByEmail(tx, to);
    if (account?.emailVerified) return resetLetter(tx, ports, mail, account, knownLetter(mail));
    const carries: PendingSignUp = { name };
    const owner = { userId: null, userEpoch: null, email: to };
    const code = await issueCode(tx, ports, { id, purpose: 'sign_up', ...owner, carries });
    return verifyLetter(mail, code, 'sign_up');
  },
  verify_email: async (tx, ports, mail) => {
    const { id, to: email } = mail;
    const account = await findAccountByEmail(tx, email);
    if (account?.emailVerified) return null;
    const pending = await findNewestCode(tx, email, 'sign_up');
    if (pending) {
      const carries = openCode(ports, pending) as PendingSignUp;
      const owner = { userId: null, userEpoch: null, email };
      const code = await issueCode(tx, ports, { id, purpose: 'sign_up', ...owner, carries });
      return verifyLetter(mail, code, 'sign_up');
    }
    if (!account) return null;
    const { id: userId, tokenEpoch: userEpoch } = account;
    const code = await issueCode(tx, ports, { id, purpose: 'verify_email', userId, userEpoch, email });
    return verifyLetter(mail, code, 'verify_email');
  },
  reset_password: async (tx, ports, mail) => {
    const account = await findAccountByEmail(tx, mail.to);
    if (!account) return null;
    return resetLetter(tx, ports, mail, account, {
      subject: 'Choose a new password',
      paragraphs: [`Somebody, most likely you, asked for a new password of your account at ${mail.publicUrl}.`],
    });
  },
  change_email: async (tx, ports, mail) => {
    const { id, to: email, userId, userEpoch } = mail;
    const account = await findAccount(tx, userId);
    if (!account || account.isDisabled || account.tokenEpoch !== userEpoch) return null;
    const other = await findAccountByEmail(tx, email);
    if (other) return other.id === userId ? null : resetLetter(tx, ports, mail, other, knownLetter(mail));
    const code = await issueCode(tx, ports, { id, purpose: 'change_email', userId, userEpoch, email });
    return verifyLetter(mail, code, 'change_email');
  },
  password_changed: notice(
    'Your password was changed',
    'The password of your account was changed. Every session opened before has ended.',
    SOON,
  ),
  email_changed: notice(
    'The e-mail address of your account was changed',
    'Your account has another e-mail address now; this one is of no use for it any more.',
    'If this was not you, ask whoever runs this service for help.',
  ),
  account_deleted: notice(
    'Your account was deleted',
    'Your account and everything that belongs to it was deleted, as was asked for from one of its sessions.',
  ),
};

export const writeMail = (tx: Tx, ports: WritePorts, mail: StoredMail): Promise<Letter | null> =>
  (WRITERS[mail.template] as Write<MailRequest>)(tx, ports, mail);
