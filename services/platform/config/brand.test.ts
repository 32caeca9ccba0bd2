import { expect, test } from 'vitest';
import { loadConfig } from './load.ts';

const brandOf = (env: Record<string, string>) => loadConfig(env).brand;

test('without settings the pages carry the name of the product alone', () => {
  expect(brandOf({})).toEqual({
    name: 'Sallyport',
    logoUrl: undefined,
    colour: undefined,
    termsUrl: undefined,
    privacyUrl: undefined,
  });
  expect(brandOf({ BRAND_NAME: ' ', BRAND_COLOR: '' })).toMatchObject({ name: 'Sallyport', colour: undefined });
});

test('name, logo, colour and links are read as given', () => {
  const env = {
    BRAND_NAME: 'Zoë & Söhne',
    BRAND_LOGO_URL: 'https://cdn.example.com/logo.svg',
    BRAND_COLOR: '#A1b2C3',
    BRAND_TERMS_URL: 'https://example.com/terms?lang=en',
    BRAND_PRIVACY_URL: 'http://localhost:8080/privacy#short',
  };
  expect(Object.values(brandOf(env))).toEqual(Object.values(env));
});

test.each([
  ['BRAND_NAME', '</title><script>alert(1)</script>'],
  ['BRAND_NAME', 'a\nb'],
  ['BRAND_NAME', 'evil \u202egnp'],
  ['BRAND_NAME', 'x'.repeat(65)],
  ['BRAND_COLOR', 'red'],
  ['BRAND_COLOR', '#fff'],
  ['BRAND_COLOR', '#ffffff;}'],
  ['BRAND_LOGO_URL', "https://a.test/'; script-src *"],
  ['BRAND_LOGO_URL', 'https://a.test/logo.png; img-src *'],
  ['BRAND_LOGO_URL', 'https://a.test/logo.png?x=1'],
  ['BRAND_LOGO_URL', 'data:image/svg+xml,x'],
  ['BRAND_LOGO_URL', '/logo.svg'],
  ['BRAND_TERMS_URL', 'javascript:alert(1)'],
  ['BRAND_TERMS_URL', 'https://user:secret@example.com/'],
  ['BRAND_TERMS_URL', 'https://user@example.com/'],
  ['BRAND_PRIVACY_URL', 'https://a.test/"onmouseover="alert(1)'],
  ['BRAND_PRIVACY_URL', 'https://[a.test/'],
  ['BRAND_PRIVACY_URL', `https://a.test/${'x'.repeat(4_096)}`],
])('%s %j is refused: it could break out of the page or its policy', (env, value) => {
  expect(() => brandOf({ [env]: value })).toThrow(env);
});
