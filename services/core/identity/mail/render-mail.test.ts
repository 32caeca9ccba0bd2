import { expect, test } from 'vitest';
import { coloursOf, DEFAULT_BRAND } from '#services/platform/html/brand.ts';
import { renderMail } from './render-mail.ts';

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
