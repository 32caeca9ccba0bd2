import type { Letter } from './render-mail.ts';

/** What mails say; `url` is the origin of the installation. */

type Words = Pick<Letter, 'subject' | 'paragraphs'>;
export type Coded = { readonly url: string; readonly code: string; readonly lifeSeconds: number };

const NOT_YOU = 'If this was not you, you need not do anything.';
const SOON = 'If this was not you, choose a new password at once.';

/** What it is called, how long it is, and from where on it is used. */
const UNITS = [
  ['day', 86_400, 172_800],
  ['hour', 3_600, 7_200],
  ['minute', 60, 0],
] as const;

/** How long a code works at least, in words: two of the largest unit or more, so that little is rounded off. */
function inWords(seconds: number): string {
  const [unit, length] = UNITS.find(([, , least]) => seconds >= least) as (typeof UNITS)[number];
  return `${Math.floor(seconds / length)} ${unit}s`;
}

export const verifyLetter = ({ url, code, lifeSeconds }: Coded): Letter => ({
  subject: 'Confirm your e-mail address',
  paragraphs: [
    `Somebody, most likely you, gave this address for an account at ${url}.`,
    `Confirm within ${inWords(lifeSeconds)} that it is yours, and only if you asked for it.`,
    NOT_YOU,
  ],
  link: { label: 'Confirm this address', page: `${url}/account/verify-email`, code },
});

/** @param about why it comes */
export const resetLetter = ({ url, code, lifeSeconds }: Coded, about: Words): Letter => ({
  ...about,
  paragraphs: [...about.paragraphs, `The link below works for ${inWords(lifeSeconds)}, once.`, NOT_YOU],
  link: { label: 'Choose a new password', page: `${url}/account/reset-password`, code },
});

export const resetWords = (url: string): Words => ({
  subject: 'Choose a new password',
  paragraphs: [`Somebody, most likely you, asked for a new password of your account at ${url}.`],
});

export const knownWords = (url: string): Words => ({
  subject: 'You have an account already',
  paragraphs: [
    `Somebody, most likely you, tried to use this address for an account at ${url}. There is one already: sign in with it.`,
    'If you have forgotten its password, choose a new one.',
  ],
});

/** @param about why it comes, and last what to do who was not meant */
export const unlockLetter = ({ url, code, lifeSeconds }: Coded, about: Words): Letter => ({
  subject: about.subject,
  paragraphs: [
    ...about.paragraphs.slice(0, -1),
    `The link below works for ${inWords(lifeSeconds)}, once. It changes no password and signs nobody in.`,
    ...about.paragraphs.slice(-1),
  ],
  link: { label: 'Unlock my account', page: `${url}/account/unlock`, code },
});

export const lockedWords = (url: string): Words => ({
  subject: 'Let your account be tried again',
  paragraphs: [
    `Too many wrong passwords lock an account at ${url} for a while, and somebody, most likely you, asked to end that.`,
    'If this was not you, somebody may be guessing your password: do not follow the link, and choose a better password.',
  ],
});

export const closedWords = (url: string): Words => ({
  subject: 'Somebody signed in to your account. Was it you?',
  paragraphs: [
    `Somebody signed in to your account at ${url}, and it looked like a stranger. That session was ended. Until the link below is followed neither a password nor another provider alone lets anybody in from a browser that is not known.`,
    `If it was you, follow the link in the browser that you sign in with. When it works no longer, ask for another one at ${url}/account/unlock.`,
    'If it was not you, somebody has your password or your account at another provider: do not follow the link, and choose a new password at once.',
  ],
});

export const invitationLetter = ({ url, code, lifeSeconds }: Coded): Letter => ({
  subject: 'You are invited',
  paragraphs: [
    `An account at ${url} was made for you, with this address.`,
    `Choose its password within ${inWords(lifeSeconds)}: the link below works once, and proves that the address is yours.`,
    'If you expected no invitation, you need not do anything.',
  ],
  link: { label: 'Accept the invitation', page: `${url}/account/accept-invitation`, code },
});

export const passwordChangedLetter: Letter = {
  subject: 'Your password was changed',
  paragraphs: ['The password of your account was changed. Every session opened before has ended.', SOON],
};

export const factorsResetLetter = (url: string): Letter => ({
  subject: 'The second factor of your account was taken away',
  paragraphs: [
    `Whoever runs the service has taken the authenticator app or the passkeys from your account at ${url}. Every session opened before has ended.`,
    'Sign in with what is left, and set up another second factor.',
    'If you did not ask for this, somebody may be after your account: choose a new password at once, and tell whoever runs the service.',
  ],
});

export const emailChangedLetter: Letter = {
  subject: 'The e-mail address of your account was changed',
  paragraphs: [
    'Your account has another e-mail address now; this one is of no use for it any more.',
    'If this was not you, ask whoever runs this service for help.',
  ],
};

export const accountDeletedLetter: Letter = {
  subject: 'Your account was deleted',
  paragraphs: [
    'Your account and everything that belongs to it was deleted, as was asked for from one of its sessions.',
  ],
};

/** @param provider its name in the configuration */
export const accountLinkedLetter = (provider: string, url: string): Letter => ({
  subject: 'Your account has another way to sign in',
  paragraphs: [
    `Your account at ${url} can now be signed in to by ${provider}.`,
    'If this was not you, take it away again in your account, and choose a new password at once.',
  ],
});

export const accountUnlinkedLetter = (provider: string, url: string): Letter => ({
  subject: 'Your account has lost a way to sign in',
  paragraphs: [`Your account at ${url} can no longer be signed in to by ${provider}.`, SOON],
});
