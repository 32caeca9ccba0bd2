import { expect, test } from 'vitest';
import { renderMail } from './render-mail.ts';

const link = { label: 'Go', page: 'https://api.test/account/verify-email', code: 'the-code' };

test('the code is in the fragment of the link, and beside it for pasting', () => {
  const { text, html } = renderMail({ subject: 'S', paragraphs: ['One.', 'Two.'], link });
  expect(text).toBe('One.\n\nTwo.\n\nGo:\nhttps://api.test/account/verify-email#the-code\n');
  expect(html).toContain('<a href="https://api.test/account/verify-email#the-code">Go</a>');
  expect(html).toContain('<code>the-code</code>');
});

test('renders no link without one, and escapes text', () => {
  const { text, html } = renderMail({ subject: '<b>"&', paragraphs: ['<script>alert(1)</script>'] });
  expect(text).toBe('<script>alert(1)</script>\n');
  expect(html).toContain('<title>&lt;b&gt;&quot;&amp;</title>');
  expect(html).not.toContain('<script>');
  expect(html).not.toContain('href');
});
