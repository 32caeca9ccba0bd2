import { cutText } from '#services/platform/define/cut-text.ts';

const TOKEN = /"[^"\\]*(?:\\.[^"\\]*)*"|-?\d[\d.eE+-]*|[{}[\],:]|[a-z]+/g;
const SHOWN_CHARACTERS = 40;

/** `at` is a JSON pointer (RFC 6901), empty for the whole text. */
type InexactPart = { readonly at: string; readonly why: string };

type Level = { readonly names: Set<string> | null; name: string; index: number };

/** The digits of a decimal number without zeros around them, and the power of ten of the last one. */
function decimalOf(text: string): string {
  const [, whole = '', fraction = '', exponent = '0'] = /^-?(\d+)(?:\.(\d+))?(?:[eE]([+-]?\d+))?$/.exec(text) ?? [];
  const digits = whole + fraction;
  let from = 0;
  while (digits[from] === '0') from += 1;
  let to = digits.length;
  while (to > from && digits[to - 1] === '0') to -= 1;
  return from === to ? '0' : `${digits.slice(from, to)}e${Number(exponent) - fraction.length + digits.length - to}`;
}

/** Whether the number that a parser makes of this text has the same value when it is written again. */
const isExact = (text: string): boolean => {
  const value = Number(text);
  return Number.isFinite(value) && decimalOf(text) === decimalOf(String(value));
};

const shown = (text: string): string =>
  text.length <= SHOWN_CHARACTERS ? text : `${cutText(text, SHOWN_CHARACTERS)}…`;

/**
 * The first part of a JSON text that parsers do not all read alike: a number that an IEEE 754 double does not keep, or a
 * member name that its object has twice (RFC 7493 §2.2, §2.3). Undefined if there is none. Linear in the text, which must
 * be JSON.
 */
export function inexactPartOf(text: string): InexactPart | undefined {
  const levels: Level[] = [];
  const at = (): string =>
    levels
      .map(({ names, name, index }) => `/${names === null ? index : name.replaceAll('~', '~0').replaceAll('/', '~1')}`)
      .join('');
  let isName = false;
  for (const [token] of text.matchAll(TOKEN)) {
    const level = levels.at(-1);
    if (token === '{') levels.push({ names: new Set(), name: '', index: 0 });
    else if (token === '[') levels.push({ names: null, name: '', index: 0 });
    else if (token === '}' || token === ']') levels.pop();
    else if (token === ',' && level !== undefined) level.index += 1;
    else if (token.startsWith('"') && isName && level?.names) {
      level.name = JSON.parse(token) as string;
      if (level.names.has(level.name)) return { at: at(), why: 'has a name that its object has twice' };
      level.names.add(level.name);
    } else if (/^[-\d]/.test(token) && !isExact(token))
      return { at: at(), why: `${shown(token)} would be read as ${shown(String(Number(token)))}` };
    isName = token === '{' || (token === ',' && levels.at(-1)?.names != null);
  }
  return undefined;
}
