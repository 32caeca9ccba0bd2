import { expect, test } from 'vitest';
import * as english from './letters.ts';
import * as german from './letters-german.ts';
import { type Letter, renderMail } from './render-mail.ts';

type Letters = typeof english;

const coded = { url: 'https://id.example', code: 'the-code', typed: 'BCDFGHJK', lifeSeconds: 7_200 };
const { url } = coded;

/** Every letter of one language, by name. */
const lettersOf = (letters: Letters): Readonly<Record<string, Letter>> => ({
  verify: letters.verifyLetter(coded),
  reset: letters.resetLetter(coded, letters.resetWords(url)),
  verifyForApp: letters.verifyLetter({ ...coded, page: 'https://app.example/done' }),
  resetForApp: letters.resetLetter({ ...coded, page: 'https://app.example/reset' }, letters.resetWords(url)),
  known: letters.resetLetter(coded, letters.knownWords(url)),
  locked: letters.unlockLetter(coded, letters.lockedWords(url)),
  closed: letters.unlockLetter(coded, letters.closedWords(url)),
  invitation: letters.invitationLetter(coded),
  passwordChanged: letters.passwordChangedLetter,
  factorsReset: letters.factorsResetLetter(url),
  emailChanged: letters.emailChangedLetter,
  accountDeleted: letters.accountDeletedLetter,
  accountLinked: letters.accountLinkedLetter('github', url),
  accountUnlinked: letters.accountUnlinkedLetter('github', url),
});

const [en, de] = [lettersOf(english), lettersOf(german)];

test.each(Object.keys(en))('%s says the same in German: the same link, addresses and number of paragraphs', (name) => {
  const [first, second] = [en[name]!, de[name]!];
  const factsIn = ({ paragraphs }: Letter) =>
    paragraphs.flatMap((text) => text.match(/https:\/\/[\w./-]*\w|github|\d+/g) ?? []);
  expect(factsIn(second)).toEqual(factsIn(first));
  const shapeOf = ({ paragraphs, link }: Letter) => [paragraphs.length, { ...link, label: '' }];
  expect(shapeOf(second)).toEqual(shapeOf(first));
  const texts = ({ subject, paragraphs, link }: Letter) => [subject, ...paragraphs, ...(link ? [link.label] : [])];
  expect(texts(second).filter((text) => texts(first).includes(text))).toEqual([]);
});

test.each([
  [172_800, '2 days', '2 Tagen'],
  [172_799, '47 hours', '47 Stunden'],
  [7_200, '2 hours', '2 Stunden'],
  [7_199, '119 minutes', '119 Minuten'],
  [3_600, 'an hour', 'einer Stunde'],
])('a lifetime of %d s is written as %s and %s', (lifeSeconds, inEnglish, inGerman) => {
  const said = (letters: Letters) => letters.verifyLetter({ ...coded, lifeSeconds }).paragraphs.join();
  expect(said(english)).toContain(`within ${inEnglish} `);
  expect(said(german)).toContain(`innerhalb von ${inGerman},`);
});

test('a mail names its language, and says in it where to enter the code', () => {
  const german = renderMail(de.verify!, 'de');
  expect(german.html).toContain('<html lang="de">');
  expect(german.html).toContain(`Oder öffnen Sie ${url}/account/verify-email, und geben Sie diesen Code ein:`);
  expect(renderMail(en.verify!).html).toContain('<html lang="en">');
});
