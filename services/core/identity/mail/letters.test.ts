import { expect, test } from 'vitest';
import { coloursOf, DEFAULT_BRAND } from '#services/platform/html/brand.ts';
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

const page = 'https://api.test/account/verify-email';
const link = { label: 'Go', page: `${page}?callbackURL=https%3A%2F%2Fapp.test`, code: 'the-code', typed: 'BCDFGHJK' };

test('the code of the link is in its fragment only, and a short one to type stands beside it', () => {
  const { text, html } = renderMail({ subject: 'S', paragraphs: ['One.', 'Two.'], link });
  expect(text).toBe(`One.\n\nTwo.\n\nGo:\n${link.page}#the-code\n\nOr open ${page} and enter this code:\nBCDF-GHJK\n`);
  expect(html).toMatch(/<a [^>]*href="https:\/\/api\.test\/account\/verify-email\?callbackURL=[^"#]*#the-code"/);
  expect(html).toContain('>BCDF-GHJK</p>');
  expect(html.split('the-code')).toHaveLength(2);
});

test('the page of an application gets the code of the link, and no code to type', () => {
  const app = { label: 'Go', page: 'https://app.test/reset', code: 'the-code', isInQuery: true };
  expect(renderMail({ subject: 'S', paragraphs: [], link: app }).text).toBe(
    'Go:\nhttps://app.test/reset?token=the-code\n',
  );
});

test('a mail has the name and colour of the brand, loads nothing, and every style is inline', () => {
  const brand = { ...DEFAULT_BRAND, name: 'Acme <Inc>', colour: '#ffcc00' };
  const { html } = renderMail({ subject: 'S', paragraphs: ['One.'], link }, 'de', brand);
  expect(html).toContain('<bdi>Acme &lt;Inc&gt;</bdi>');
  const { solid, on } = coloursOf(brand);
  expect(html).toContain(`background:${solid[0]};color:${on[0]}`);
  expect(html).not.toMatch(/<img|<link|<script|url\(|@import|src=/);
  expect(html).toContain('<meta name="color-scheme" content="light dark">');
});

test('renders no link without one, and escapes text (CVE-2024-41953, ZITADEL: text of a user was markup in a mail)', () => {
  const { text, html } = renderMail({ subject: '<b>"&', paragraphs: ['<script>alert(1)</script>'] });
  expect(text).toBe('<script>alert(1)</script>\n');
  expect(html).toContain('<title>&lt;b&gt;&quot;&amp;</title>');
  expect(html).not.toContain('<script>');
  expect(html).not.toContain('href');
});
