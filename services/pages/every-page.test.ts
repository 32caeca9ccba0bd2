import { describe, expect, test } from 'vitest';
import { DEFAULT_BRAND } from '#services/platform/html/brand.ts';
import { FIXED_PAGES, pagesWith } from './every-page-harness.ts';
import { type FormPage, formPage, formPageHeaders } from './form-page.ts';
import { BRIDGE_SCRIPT, COME_BACK_SCRIPT, COPY_SCRIPT, FORM_POST_SCRIPT, PAGE_SCRIPT } from './page-script.ts';
import { NOT_GERMAN } from './pages-harness.ts';
import { ENGLISH, GERMAN } from './texts/texts.ts';

const LANGUAGES = [ENGLISH, GERMAN];
const bytesOf = (page: FormPage, language = ENGLISH): number =>
  Buffer.byteLength(formPage(page, { brand: DEFAULT_BRAND, language }));
/** Images other than logos of our origin, and scripts other than our files. */
const FOREIGN =
  /<img(?! class="app" src="[^"]*" alt="" width="48" height="48">)|<script(?! src="\/(?:login|account)\/passkey\.js" defer>)/;

describe('markup', () => {
  const HOSTILE = `"><script>alert(1)</script><img src=x onerror='alert(1)'>`;

  test.each(Object.entries(pagesWith(HOSTILE)))('in the page of %s is shown as text', (_name, page) => {
    const document = formPage(page);
    expect(document).not.toContain(HOSTILE);
    const scripts = [
      COME_BACK_SCRIPT,
      PAGE_SCRIPT,
      COPY_SCRIPT,
      PAGE_SCRIPT + COPY_SCRIPT,
      FORM_POST_SCRIPT,
      BRIDGE_SCRIPT,
    ];
    const own = scripts.map((text) => `<script>${text}</script>`);
    expect(own.reduce((rest, script) => rest.replace(script, ''), document)).not.toMatch(FOREIGN);
    expect(document).toContain('&lt;script&gt;');
    expect(formPageHeaders(page)['content-security-policy']).not.toMatch(/alert|unsafe/);
  });
});

describe('text from right to left', () => {
  /** Arabic, and a character that turns the text after it. */
  const TURNING = 'شركة \u202egnp.exe';
  /** What sets text apart from the text around it: an element of its own, an attribute, or a field. */
  const APART = /<(bdi|strong|code|title|pre)[^>]*>(?:(?!<\/\1>).)*<\/\1>|="[^"]*"/gs;

  test.each(Object.entries(pagesWith(TURNING, { ours: 'said' })))(
    'in the page of %s turns nothing around it',
    (_name, page) => {
      const document = formPage(page);
      expect(document).toContain(TURNING);
      expect(document.replaceAll(APART, '')).not.toContain('\u202e');
    },
  );
});

test.each([...Object.entries(pagesWith('Zoë')), ...Object.entries(FIXED_PAGES)])(
  'the page of %s says nothing to a German in English, in code words or in the time of machines',
  (_name, page) => {
    const document = formPage(page, { brand: DEFAULT_BRAND, language: GERMAN });
    const ownLanguage = /<(script|style|code|pre)\b.*?<\/\1>|<(\w+) lang="en">.*?<\/\2>/gs;
    const attributes = / (?:alt|title|aria-label|placeholder)="([^"]*)"/g;
    const said = document.replaceAll(ownLanguage, '').replaceAll(attributes, '>$1<i');
    expect(said.replaceAll(/<[^>]*>/g, ' ')).not.toMatch(NOT_GERMAN);
  },
);

describe('the weight of a page', () => {
  const ORDINARY = 'A name of 36 characters, like a UUID';

  test.each([...Object.entries(pagesWith(ORDINARY)), ...Object.entries(FIXED_PAGES)])(
    'of %s is less than 30 KB in every language',
    (_name, page) => {
      for (const language of LANGUAGES) expect(bytesOf(page, language)).toBeLessThan(30_720);
    },
  );

  test.each([
    ['account: sessions', 21],
    ['account: applications', 20],
    ['account: keys', 20],
    // Each with two forms.
    ['account: security', 8],
  ])('of %s with %i items is less than 30 KB', (name, count) => {
    const page = pagesWith(ORDINARY, { count })[name];
    for (const language of LANGUAGES) expect(bytesOf(page!, language)).toBeLessThan(30_720);
  });

  test.each(Object.entries(pagesWith('x'.repeat(4_096))))(
    'of %s grows with values of 4,096 characters by no more than these',
    (name, page) => {
      const document = formPage(page);
      const values = document.split('x'.repeat(4_096)).length - 1;
      expect([name, Buffer.byteLength(document) - values * 4_096 < 30_720]).toEqual([name, true]);
    },
  );
});
