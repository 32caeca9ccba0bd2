import { isIP } from 'node:net';
import { z } from 'zod';
import { cutText } from '#services/platform/define/cut-text.ts';

/** Shapes of environment values: each parses a text into a validated value, and holds the default. */

export const textOr = (fallback: string, maximum = 2_048) => z.string().max(maximum).default(fallback);

/** What a variable of Linux holds at most. */
const LENGTH_MAX = 131_072;

/** What is wrong with a text, as the rest of a sentence about its variable: `must be true or false`. */
export class UnfitError extends Error {}

export const orIssue =
  <I, T>(read: (given: I) => T) =>
  (given: I, context: z.RefinementCtx): T => {
    try {
      return read(given);
    } catch (err) {
      if (!(err instanceof UnfitError)) throw err;
      context.addIssue({ code: 'custom', message: err.message });
      return z.NEVER;
    }
  };

/** A text as `read` reads it, which throws an UnfitError for one that it refuses. */
export const readText = <T>(fallback: string, maximum: number, read: (text: string) => T) =>
  z.string().max(maximum).default(fallback).transform(orIssue(read));

/** `readText` without a default: undefined if unset or empty. */
export const readOptional = <T>(maximum: number, read: (text: string) => T) =>
  z
    .string()
    .max(maximum)
    .optional()
    .transform(orIssue((text) => (text === undefined || text === '' ? undefined : read(text))));

export const optionalText = (maximum = 4_096) => readOptional(maximum, (text) => text);

/** Words between commas or white space, each once. */
export const wordsIn = (text: string): string[] => [...new Set(text.split(/[\s,]+/).filter((item) => item !== ''))];

/** What is between commas. */
export const itemsIn = (text: string): string[] =>
  text
    .split(',')
    .map((item) => item.trim())
    .filter((item) => item !== '');

/** A URL of one of these protocols (`redis:`) or, if `path` allows it, the path of a socket. */
export const storeUrl = (protocols: readonly string[], example: string, path = false) =>
  optionalText().superRefine((value, context) => {
    if (value === undefined || (path && value.startsWith('/'))) return;
    const message = !URL.canParse(value)
      ? `is not a URL; write it as ${example}, with special characters of the password percent-encoded`
      : protocols.includes(new URL(value).protocol)
        ? undefined
        : `must begin with ${protocols.map((protocol) => `${protocol}//`).join(' or ')}, as in ${example}`;
    if (message) context.addIssue({ code: 'custom', message });
  });

const numberOf = (form: RegExp, noun: string) => (fallback: number, minimum: number, maximum: number) =>
  readText(String(fallback), LENGTH_MAX, (text) => {
    const number = form.test(text.trim()) ? Number(text) : Number.NaN;
    if (number >= minimum && number <= maximum) return number;
    throw new UnfitError(`must be ${noun} from ${minimum} to ${maximum}`);
  });

export const wholeNumber = numberOf(/^\d{1,12}$/, 'a whole number');
/** Digits with at most nine after the point; no sign, no exponent. */
export const decimalNumber = numberOf(/^\d{1,12}(\.\d{1,9})?$/, 'a number');

function truthOf(text: string): boolean {
  const word = text.trim().toLowerCase();
  if (['true', '1', 'yes', 'on'].includes(word)) return true;
  if (['false', '0', 'no', 'off'].includes(word)) return false;
  throw new UnfitError('must be true or false');
}

export const flag = (fallback: boolean) => readText(String(fallback), LENGTH_MAX, truthOf);

/** `flag` without a default: undefined if unset. */
export const optionalFlag = () => readOptional(LENGTH_MAX, (text) => (text.trim() === '' ? undefined : truthOf(text)));

const wordOf = <const T extends string>(values: readonly [T, ...T[]]) =>
  z.enum(values, { error: `must be ${values.slice(0, -1).join(', ')} or ${values.at(-1)}` });

export const oneOf = <const T extends string>(values: readonly [T, ...T[]], fallback: T) =>
  z.string().default(fallback).pipe(wordOf(values));

/** `oneOf` without a default: undefined if unset. */
export const optionalOneOf = <const T extends string>(values: readonly [T, ...T[]]) =>
  z
    .string()
    .optional()
    .transform((value) => (value === '' ? undefined : value))
    .pipe(wordOf(values).optional());

const refusing = (isGood: (item: string) => boolean, message: (item: string) => string) =>
  readText('', LENGTH_MAX, (text) => {
    const items = itemsIn(text);
    const bad = items.find((item) => !isGood(item));
    if (bad === undefined) return items;
    throw new UnfitError(message(bad));
  });

const isOrigin = (text: string): boolean =>
  /^https?:[^*]+$/.test(text) && URL.canParse(text) && new URL(text).origin === text;

/** Origins as browsers send them (RFC 6454 §6.1). `null` is rejected: every sandboxed frame sends it. */
export const originList = () =>
  refusing(isOrigin, (item) => `"${cutText(item, 64)}" is not an origin; write it as https://app.example.com`);

const PROXY_RANGE_NAMES = new Set(['loopback', 'linklocal', 'uniquelocal']);

/** A range so wide that it holds clients would let a client choose its own address; so would an IPv4 range written in IPv6. */
function isProxyRange(text: string): boolean {
  if (PROXY_RANGE_NAMES.has(text)) return true;
  const [address = '', prefix, ...rest] = text.split('/');
  const version = isIP(address);
  if (version === 0 || rest.length > 0) return false;
  if (prefix === undefined) return true;
  if (!/^[1-9]\d{0,2}$/.test(prefix) || Number(prefix) > (version === 4 ? 32 : 128)) return false;
  return !/^::ffff:/i.test(address) || Number(prefix) >= 96;
}

/** Addresses and CIDR ranges of proxies. */
export const proxyRangeList = () =>
  refusing(isProxyRange, (item) => `"${cutText(item, 64)}" is not an address or CIDR range of a proxy`);

/** An absolute http(s) URL without query or fragment, kept unchanged: an issuer is compared byte for byte. */
export const optionalIssuer = () =>
  readOptional(512, (text) => {
    const url = URL.canParse(text) ? new URL(text) : null;
    if (url && /^https?:$/.test(url.protocol) && url.search === '' && url.hash === '' && url.username === '')
      return text;
    throw new UnfitError('must be an http or https URL without query or fragment');
  });

/** The same without trailing slashes, so that paths can be appended. */
export const optionalUrl = () => optionalIssuer().transform((value) => value?.replace(/\/+$/, ''));

/** Name of a request header, in lower case; undefined if unset. */
export const optionalHeader = () =>
  readOptional(LENGTH_MAX, (text) => {
    if (/^[a-z][a-z0-9-]{0,63}$/i.test(text)) return text.toLowerCase();
    throw new UnfitError('must be the name of a header');
  });

/** One or more of these words, separated by commas. */
export const someOf = <const T extends string>(values: readonly T[], fallback: string) =>
  readText(fallback, 256, (text) => {
    const words = itemsIn(text);
    const chosen = words.filter((word): word is T => values.some((value) => value === word));
    if (chosen.length === words.length) return chosen;
    throw new UnfitError(`must be one or more of ${values.join(', ')}, separated by commas`);
  });

/** Places that have a name, as `read` reads them: between commas or white space, with different names. */
export const namedPlaces = <P extends { readonly name: string }>(
  most: number,
  what: string,
  read: (item: string) => P | undefined,
) =>
  readText('', 16_384, (text) => {
    const items = wordsIn(text);
    const places = items.flatMap((item) => read(item) ?? []);
    const names = new Set(places.map(({ name }) => name));
    if (places.length === items.length && names.size === places.length && places.length <= most) return places;
    throw new UnfitError(`needs up to ${most} ${what}, with different names, without credentials and fragment`);
  });

/** Pairs `role=factor`, separated by commas; a factor is at most 1,000. */
export const roleFactors = () =>
  readText('', LENGTH_MAX, (text) => {
    const items = itemsIn(text);
    const pairs = items.map((item) => /^([a-z][a-z0-9_-]{0,63})=(\d{1,4}(?:\.\d{1,3})?)$/.exec(item));
    const bad = pairs.findIndex((pair) => pair === null || Number(pair[2]) === 0 || Number(pair[2]) > 1_000);
    if (bad === -1) return new Map(pairs.map((pair) => [pair?.[1] as string, Number(pair?.[2])]));
    throw new UnfitError(`"${cutText(items[bad] ?? '', 64)}" is not a pair like agent=5`);
  });

/** Pairs `vkey url`, separated by commas. */
export const witnessList = () =>
  readText('', LENGTH_MAX, (text) => {
    const pairs = itemsIn(text).map((pair) => pair.split(/\s+/));
    const isPair = ([vkey = '', url = '', ...rest]: string[]): boolean =>
      rest.length === 0 &&
      /^[^+\s]+\+[0-9a-f]{8}\+B[A-P][A-Za-z0-9+/]{42}$/.test(vkey) &&
      /^https?:\/\//.test(url) &&
      URL.canParse(url);
    if (pairs.every(isPair)) return pairs.map(([vkey = '', url = '']) => ({ vkey, url: url.replace(/\/+$/, '') }));
    throw new UnfitError('must be pairs of a cosignature/v1 vkey and a URL, separated by commas');
  });
