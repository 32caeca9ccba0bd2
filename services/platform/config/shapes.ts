import { isIP } from 'node:net';
import { z } from 'zod';
import { cutText } from '#services/platform/define/cut-text.ts';

/** Shapes of environment values: each parses a text into a validated value, and holds the default. */

export const textOr = (fallback: string, maximum = 2_048) => z.string().max(maximum).default(fallback);

export const optionalText = (maximum = 4_096) =>
  z
    .string()
    .max(maximum)
    .optional()
    .transform((value) => (value === undefined || value === '' ? undefined : value));

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

export const wholeNumber = (fallback: number, minimum: number, maximum: number) =>
  z
    .string()
    .default(String(fallback))
    .transform((value, context) => {
      const number = /^\d{1,12}$/.test(value.trim()) ? Number(value) : Number.NaN;
      if (number >= minimum && number <= maximum) return number;
      context.addIssue({ code: 'custom', message: `must be a whole number from ${minimum} to ${maximum}` });
      return z.NEVER;
    });

/** Digits with at most nine after the point; no sign, no exponent. */
export const decimalNumber = (fallback: number, minimum: number, maximum: number) =>
  z
    .string()
    .default(String(fallback))
    .transform((value, context) => {
      const number = /^\d{1,12}(\.\d{1,9})?$/.test(value.trim()) ? Number(value) : Number.NaN;
      if (number >= minimum && number <= maximum) return number;
      context.addIssue({ code: 'custom', message: `must be a number from ${minimum} to ${maximum}` });
      return z.NEVER;
    });

export const flag = (fallback: boolean) =>
  z
    .string()
    .default(String(fallback))
    .transform((value, context) => {
      const word = value.trim().toLowerCase();
      if (['true', '1', 'yes', 'on'].includes(word)) return true;
      if (['false', '0', 'no', 'off'].includes(word)) return false;
      context.addIssue({ code: 'custom', message: 'must be true or false' });
      return z.NEVER;
    });

/** `flag` without a default: undefined if unset. */
export const optionalFlag = () =>
  z
    .string()
    .optional()
    .transform((value, context) => {
      if (value === undefined || value.trim() === '') return undefined;
      const parsed = flag(false).safeParse(value);
      if (parsed.success) return parsed.data;
      context.addIssue({ code: 'custom', message: 'must be true or false' });
      return z.NEVER;
    });

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

const list = () =>
  z
    .string()
    .max(8_192)
    .default('')
    .transform((value) =>
      value
        .split(',')
        .map((item) => item.trim())
        .filter((item) => item !== ''),
    );

const refusing = (isGood: (item: string) => boolean, message: (item: string) => string) =>
  list().transform((items, context) => {
    const bad = items.find((item) => !isGood(item));
    if (bad === undefined) return items;
    context.addIssue({ code: 'custom', message: message(bad) });
    return z.NEVER;
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
  z
    .string()
    .max(512)
    .optional()
    .transform((value, context) => {
      if (value === undefined || value === '') return undefined;
      const url = URL.canParse(value) ? new URL(value) : null;
      if (url && /^https?:$/.test(url.protocol) && url.search === '' && url.hash === '' && url.username === '')
        return value;
      context.addIssue({ code: 'custom', message: 'must be an http or https URL without query or fragment' });
      return z.NEVER;
    });

/** The same without trailing slashes, so that paths can be appended. */
export const optionalUrl = () => optionalIssuer().transform((value) => value?.replace(/\/+$/, ''));

/** Name of a request header, in lower case; undefined if unset. */
export const optionalHeader = () =>
  z
    .string()
    .optional()
    .transform((value, context) => {
      if (value === undefined || value === '') return undefined;
      if (/^[a-z][a-z0-9-]{0,63}$/i.test(value)) return value.toLowerCase();
      context.addIssue({ code: 'custom', message: 'must be the name of a header' });
      return z.NEVER;
    });

/** One or more of these words, separated by commas. */
export const someOf = <const T extends string>(values: readonly T[], fallback: string) =>
  z
    .string()
    .max(256)
    .default(fallback)
    .transform((text, context) => {
      const words = text.split(',').map((word) => word.trim());
      const chosen = words.filter((word): word is T => values.some((value) => value === word));
      if (chosen.length === words.filter((word) => word !== '').length) return chosen;
      context.addIssue({ code: 'custom', message: `must be one or more of ${values.join(', ')}, separated by commas` });
      return z.NEVER;
    });

/** Pairs `role=factor`, separated by commas; a factor is at most 1,000. */
export const roleFactors = () =>
  list().transform((items, context) => {
    const pairs = items.map((item) => /^([a-z][a-z0-9_-]{0,63})=(\d{1,4}(?:\.\d{1,3})?)$/.exec(item));
    const bad = pairs.findIndex((pair) => pair === null || Number(pair[2]) === 0 || Number(pair[2]) > 1_000);
    if (bad === -1) return new Map(pairs.map((pair) => [pair?.[1] as string, Number(pair?.[2])]));
    context.addIssue({ code: 'custom', message: `"${cutText(items[bad] ?? '', 64)}" is not a pair like agent=5` });
    return z.NEVER;
  });

/** Pairs `vkey url`, separated by commas. */
export const witnessList = () =>
  z
    .string()
    .max(8_192)
    .default('')
    .transform((text, context) => {
      const pairs = text.split(',').flatMap((pair) => (pair.trim() === '' ? [] : [pair.trim().split(/\s+/)]));
      const isPair = ([vkey = '', url = '', ...rest]: string[]): boolean =>
        rest.length === 0 &&
        /^[^+\s]+\+[0-9a-f]{8}\+B[A-P][A-Za-z0-9+/]{42}$/.test(vkey) &&
        /^https?:\/\//.test(url) &&
        URL.canParse(url);
      if (pairs.every(isPair)) return pairs.map(([vkey = '', url = '']) => ({ vkey, url: url.replace(/\/+$/, '') }));
      context.addIssue({
        code: 'custom',
        message: 'must be pairs of a cosignature/v1 vkey and a URL, separated by commas',
      });
      return z.NEVER;
    });
