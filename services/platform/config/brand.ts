import { defineSettings } from '../define/setting.ts';
import { readOptional, UnfitError } from './shapes.ts';

/** Control characters, halves of surrogate pairs, markup, and characters that reverse the text around them (UAX #9). */
const UNFIT_FOR_NAME = /[\p{Cc}\p{Cs}<>\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/u;

const checked = (maximum: number, isGood: (value: string) => boolean, message: string) =>
  readOptional(maximum, (text) => {
    const value = text.trim();
    if (value === '') return undefined;
    if (isGood(value)) return value;
    throw new UnfitError(message);
  });

/** An address that can stand in a link and in a Content-Security-Policy: no quotes, spaces, `;`, `,` or credentials. */
const isAddress = (value: string): boolean =>
  /^https?:\/\/[\w.~:/?#[\]@!$&()*+=%-]+$/.test(value) &&
  URL.canParse(value) &&
  new URL(value).username === '' &&
  new URL(value).password === '';

/** A policy matches an image by its address without query (CSP Level 3 §6.7.2.8). */
const isImageAddress = (value: string): boolean => isAddress(value) && !/[?#]/.test(value);

const address = () => checked(512, isAddress, 'must be an http or https URL without credentials, quotes or spaces');

export const brandSettings = defineSettings({
  name: {
    env: 'BRAND_NAME',
    schema: checked(
      64,
      (value) => !UNFIT_FOR_NAME.test(value),
      'must not contain control characters, direction marks, < or >',
    ).transform((value) => value ?? 'Sallyport'),
    use: 'Name of the service on its pages and in the console, and of the organisation on compliance reports.',
  },
  logoUrl: {
    env: 'BRAND_LOGO_URL',
    schema: checked(512, isImageAddress, 'must be an http or https URL without query, credentials, quotes or spaces'),
    use: 'Image beside the name on the pages and in the console; unset: the name alone. The browser of every user loads it from this address.',
    example: 'https://example.com/logo.svg',
  },
  colour: {
    env: 'BRAND_COLOR',
    schema: checked(7, (value) => /^#[0-9a-f]{6}$/i.test(value), 'must be written as #rrggbb'),
    use: 'Colour of buttons and links on the pages, in the console and in mails. Where it would be too faint to read, they use a darker or lighter shade of it.',
    example: '#0b57c2',
  },
  termsUrl: {
    env: 'BRAND_TERMS_URL',
    schema: address(),
    use: 'Terms of service, linked on the pages.',
    example: 'https://example.com/terms',
  },
  privacyUrl: {
    env: 'BRAND_PRIVACY_URL',
    schema: address(),
    use: 'Privacy policy, linked on the pages.',
    example: 'https://example.com/privacy',
  },
});
