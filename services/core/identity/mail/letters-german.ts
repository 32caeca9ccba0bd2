import { type Coded, type Leading, resetLink, verifyLink } from './letter-links.ts';
import type { Letter } from './render-mail.ts';

/** The texts of `letters.ts` in German. */

type Words = Pick<Letter, 'subject' | 'paragraphs'>;

const NOT_YOU = 'Wenn Sie das nicht waren, können Sie diese E-Mail ignorieren.';
const SOON = 'Wenn Sie das nicht waren, fordern Sie sofort dort, wo Sie sich sonst anmelden, ein neues Passwort an.';

/** Name in the dative plural, length in seconds, and the shortest duration that is given in this unit. */
const UNITS = [
  ['Tagen', 86_400, 172_800],
  ['Stunden', 3_600, 7_200],
  ['Minuten', 60, 0],
] as const;

/** Writes a lifetime in words, rounded down, in the largest unit of which it has at least two. */
function inWords(seconds: number): string {
  if (seconds === 3_600) return 'einer Stunde';
  const [unit, length] = UNITS.find(([, , least]) => seconds >= least) as (typeof UNITS)[number];
  return `${Math.floor(seconds / length)} ${unit}`;
}

export const verifyLetter = (leading: Leading): Letter => ({
  subject: 'Bestätigen Sie Ihre E-Mail-Adresse',
  paragraphs: [
    `Diese Adresse wurde für ein Konto bei ${leading.url} angegeben, wahrscheinlich von Ihnen.`,
    `Wenn Sie das waren, bestätigen Sie innerhalb von ${inWords(leading.lifeSeconds)}, dass die Adresse Ihnen gehört.`,
    NOT_YOU,
  ],
  link: verifyLink(leading, 'Diese Adresse bestätigen'),
});

export const resetLetter = (leading: Leading, about: Words): Letter => ({
  ...about,
  paragraphs: [...about.paragraphs, `Der Link gilt einmal, innerhalb von ${inWords(leading.lifeSeconds)}.`, NOT_YOU],
  link: resetLink(leading, 'Neues Passwort wählen'),
});

export const resetWords = (url: string): Words => ({
  subject: 'Wählen Sie ein neues Passwort',
  paragraphs: [`Für Ihr Konto bei ${url} wurde ein neues Passwort angefordert, wahrscheinlich von Ihnen.`],
});

export const knownWords = (url: string): Words => ({
  subject: 'Sie haben bereits ein Konto',
  paragraphs: [
    `Diese Adresse wurde für ein neues Konto bei ${url} angegeben, wahrscheinlich von Ihnen. Sie haben dort bereits ein Konto, darum wurde kein neues angelegt. Melden Sie sich mit Ihrem bestehenden Konto an.`,
    'Wenn Sie das Passwort vergessen haben, wählen Sie ein neues.',
  ],
});

export const unlockLetter = ({ url, code, typed, lifeSeconds }: Coded, about: Words): Letter => ({
  subject: about.subject,
  paragraphs: [
    ...about.paragraphs.slice(0, -1),
    `Der Link gilt einmal, innerhalb von ${inWords(lifeSeconds)}. Er ändert Ihr Passwort nicht und meldet Sie nicht an.`,
    ...about.paragraphs.slice(-1),
  ],
  link: { label: 'Mein Konto entsperren', page: `${url}/account/unlock`, code, typed },
});

export const lockedWords = (url: string): Words => ({
  subject: 'Entsperren Sie Ihr Konto',
  paragraphs: [
    `Ihr Konto bei ${url} wurde nach zu vielen falschen Passwörtern für eine Weile gesperrt. Diese Mail wurde angefordert, um es zu entsperren.`,
    'Wenn Sie das nicht waren, versucht vielleicht jemand, Ihr Passwort zu erraten: Folgen Sie dem Link nicht, und wählen Sie ein stärkeres Passwort.',
  ],
});

export const closedWords = (url: string): Words => ({
  subject: 'Waren Sie das? Neue Anmeldung bei Ihrem Konto',
  paragraphs: [
    `Bei Ihrem Konto bei ${url} gab es eine ungewöhnliche Anmeldung, und wir haben diese Sitzung beendet. Bis Sie dem Link folgen, kann ein Passwort oder ein anderer Anbieter allein Ihr Konto in keinem neuen Browser öffnen.`,
    `Wenn Sie das waren, folgen Sie dem Link in dem Browser, in dem Sie sich sonst anmelden. Wenn der Link abgelaufen ist, fordern Sie auf ${url}/account/unlock einen neuen an.`,
    'Wenn Sie das nicht waren, kennt jemand Ihr Passwort oder hat Zugang zu Ihrem Konto bei einem anderen Anbieter: Folgen Sie dem Link nicht, und wählen Sie sofort ein neues Passwort.',
  ],
});

export const invitationLetter = ({ url, code, typed, lifeSeconds }: Coded): Letter => ({
  subject: 'Für Sie wurde ein Konto angelegt',
  paragraphs: [
    `Ein Administrator von ${url} hat mit dieser Adresse ein Konto für Sie angelegt.`,
    `Wählen Sie innerhalb von ${inWords(lifeSeconds)} ein Passwort. Der Link gilt einmal und bestätigt, dass die Adresse Ihnen gehört.`,
    'Wenn Sie keine Einladung erwartet haben, können Sie diese E-Mail ignorieren.',
  ],
  link: { label: 'Einladung annehmen', page: `${url}/account/accept-invitation`, code, typed },
});

export const passwordChangedLetter: Letter = {
  subject: 'Ihr Passwort wurde geändert',
  paragraphs: ['Das Passwort Ihres Kontos wurde geändert, und alle früheren Sitzungen wurden beendet.', SOON],
};

export const factorsResetLetter = (url: string): Letter => ({
  subject: 'Ein zweiter Faktor Ihres Kontos wurde entfernt',
  paragraphs: [
    `Ein Administrator hat die Authenticator-App oder die Passkeys aus Ihrem Konto bei ${url} entfernt, und alle früheren Sitzungen wurden beendet.`,
    'Melden Sie sich auf dem verbliebenen Weg an, und richten Sie wieder einen zweiten Faktor ein.',
    'Wenn Sie nicht darum gebeten haben, versucht vielleicht jemand, in Ihr Konto zu gelangen: Wählen Sie sofort ein neues Passwort, und wenden Sie sich an den Administrator.',
  ],
});

export const emailChangedLetter: Letter = {
  subject: 'Die E-Mail-Adresse Ihres Kontos wurde geändert',
  paragraphs: [
    'Ihr Konto hat jetzt eine andere E-Mail-Adresse. Diese Adresse gilt nicht mehr dafür.',
    'Wenn Sie das nicht waren, wenden Sie sich an den Administrator des Dienstes.',
  ],
};

export const accountDeletedLetter: Letter = {
  subject: 'Ihr Konto wurde gelöscht',
  paragraphs: [
    'Jemand, der bei Ihrem Konto angemeldet war, hat es gelöscht. Das Konto und alle seine Daten wurden gelöscht.',
    'Wenn Sie das nicht waren, wenden Sie sich an den Administrator des Dienstes.',
  ],
};

export const accountLinkedLetter = (provider: string, url: string): Letter => ({
  subject: 'Ihrem Konto wurde ein Anmeldeweg hinzugefügt',
  paragraphs: [
    `Sie können sich bei Ihrem Konto bei ${url} jetzt mit ${provider} anmelden.`,
    'Wenn Sie das nicht waren, entfernen Sie ihn in Ihrem Konto, und wählen Sie sofort ein neues Passwort.',
  ],
});

export const accountUnlinkedLetter = (provider: string, url: string): Letter => ({
  subject: 'Ein Anmeldeweg Ihres Kontos wurde entfernt',
  paragraphs: [`Sie können sich bei Ihrem Konto bei ${url} nicht mehr mit ${provider} anmelden.`, SOON],
});
