import { type Coded, type Leading, resetLink, verifyLink } from './letter-links.ts';
import type { Letter } from './render-mail.ts';

/** Texts of mails; `url` is the origin of the installation. */

type Words = Pick<Letter, 'subject' | 'paragraphs'>;

const NOT_YOU = 'If this was not you, you can ignore this mail.';
const SOON = 'If this was not you, request a password reset right away where you usually sign in.';

/** Name, length in seconds, and the shortest duration that is given in this unit. */
const UNITS = [
  ['day', 86_400, 172_800],
  ['hour', 3_600, 7_200],
  ['minute', 60, 0],
] as const;

/** Writes a lifetime in words, rounded down, in the largest unit of which it has at least two. */
function inWords(seconds: number): string {
  if (seconds === 3_600) return 'an hour';
  const [unit, length] = UNITS.find(([, , least]) => seconds >= least) as (typeof UNITS)[number];
  return `${Math.floor(seconds / length)} ${unit}s`;
}

export const verifyLetter = (leading: Leading): Letter => ({
  subject: 'Confirm your e-mail address',
  paragraphs: [
    `This address was entered for an account at ${leading.url}, most likely by you.`,
    `If you asked for this, confirm within ${inWords(leading.lifeSeconds)} that the address is yours.`,
    NOT_YOU,
  ],
  link: verifyLink(leading, 'Confirm this address'),
});

/** @param about the subject and why the mail is sent */
export const resetLetter = (leading: Leading, about: Words): Letter => ({
  ...about,
  paragraphs: [...about.paragraphs, `The link below works once, within ${inWords(leading.lifeSeconds)}.`, NOT_YOU],
  link: resetLink(leading, 'Choose a new password'),
});

export const resetWords = (url: string): Words => ({
  subject: 'Choose a new password',
  paragraphs: [`A new password was requested for your account at ${url}, most likely by you.`],
});

export const knownWords = (url: string): Words => ({
  subject: 'You already have an account',
  paragraphs: [
    `This address was entered for a new account at ${url}, most likely by you. You already have an account there, so no new account was created. Sign in with your existing account.`,
    'If you forgot the password, choose a new one.',
  ],
});

/** @param about the subject and why the mail is sent; the last paragraph is for readers who did not ask for it */
export const unlockLetter = ({ url, code, typed, lifeSeconds }: Coded, about: Words): Letter => ({
  subject: about.subject,
  paragraphs: [
    ...about.paragraphs.slice(0, -1),
    `The link below works once, within ${inWords(lifeSeconds)}. It does not change your password or sign you in.`,
    ...about.paragraphs.slice(-1),
  ],
  link: { label: 'Unlock my account', page: `${url}/account/unlock`, code, typed },
});

export const lockedWords = (url: string): Words => ({
  subject: 'Unlock your account',
  paragraphs: [
    `Your account at ${url} was locked for a while after too many wrong passwords. This mail was requested to unlock it.`,
    'If this was not you, someone may be guessing your password: do not follow the link, and choose a stronger password.',
  ],
});

export const closedWords = (url: string): Words => ({
  subject: 'Was this you? New sign-in to your account',
  paragraphs: [
    `There was an unusual sign-in to your account at ${url}, and we ended that session. Until you follow the link below, a password or another provider alone cannot open your account in a new browser.`,
    `If it was you, follow the link in the browser you usually sign in with. If the link has expired, request another one at ${url}/account/unlock.`,
    'If it was not you, someone knows your password or has access to your account at another provider: do not follow the link, and choose a new password right away.',
  ],
});

export const invitationLetter = ({ url, code, typed, lifeSeconds }: Coded): Letter => ({
  subject: 'An account was created for you',
  paragraphs: [
    `An administrator of ${url} created an account for you with this address.`,
    `Choose a password within ${inWords(lifeSeconds)}. The link below works once and confirms that the address is yours.`,
    'If you did not expect an invitation, you can ignore this mail.',
  ],
  link: { label: 'Accept the invitation', page: `${url}/account/accept-invitation`, code, typed },
});

export const passwordChangedLetter: Letter = {
  subject: 'Your password was changed',
  paragraphs: ['The password of your account was changed, and every earlier session was ended.', SOON],
};

export const factorsResetLetter = (url: string): Letter => ({
  subject: 'A second factor of your account was removed',
  paragraphs: [
    `An administrator removed the authenticator app or the passkeys from your account at ${url}, and every earlier session was ended.`,
    'Sign in with your remaining sign-in method and set up a second factor again.',
    'If you did not ask for this, someone may be trying to get into your account: choose a new password right away and contact the administrator.',
  ],
});

export const emailChangedLetter: Letter = {
  subject: 'The e-mail address of your account was changed',
  paragraphs: [
    'Your account now has another e-mail address. This address no longer works for it.',
    'If this was not you, contact the administrator of the service.',
  ],
};

export const accountDeletedLetter: Letter = {
  subject: 'Your account was deleted',
  paragraphs: [
    'A user who was signed in to your account deleted it. The account and all its data were deleted.',
    'If this was not you, contact the administrator of the service.',
  ],
};

/** @param provider name in the configuration */
export const accountLinkedLetter = (provider: string, url: string): Letter => ({
  subject: 'A sign-in method was added to your account',
  paragraphs: [
    `You can now sign in to your account at ${url} with ${provider}.`,
    'If this was not you, remove it in your account and choose a new password right away.',
  ],
});

export const accountUnlinkedLetter = (provider: string, url: string): Letter => ({
  subject: 'A sign-in method was removed from your account',
  paragraphs: [`You can no longer sign in to your account at ${url} with ${provider}.`, SOON],
});
