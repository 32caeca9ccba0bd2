import { isInexact } from './exact-json.ts';

declare const read: unique symbol;

/**
 * An id that another system gave: to a user of the provider that is replaced, or to an account at a social provider. Two
 * are the same id if they are the same text, character by character. Only `readExternalId` makes one.
 */
export type ExternalId = string & { readonly [read]: true };

export type ExternalIdFault = 'id_missing' | 'id_not_exact' | 'id_invalid';

const CHARACTERS_MAX = 255;
/** PostgreSQL stores neither NUL nor halves of surrogate pairs. White space at an end is lost in too many places. */
const PLAIN = /^(?!\s)[^\p{Cc}\p{Cs}]+(?<!\s)$/u;
/** What a spreadsheet or a data frame makes of a long number: many ids become this one. */
const ROUNDED = /^\d(?:[.,]\d+)?e\+\d+$/i;

/**
 * Reads an id as `parseExactJson` or a text format gave it. A number is its digits, and equals the same text; a number
 * with a sign, a point or an exponent is `id_not_exact`, since programs write different ids so that they look the same.
 */
export function readExternalId(value: unknown): { readonly id: ExternalId } | { readonly fault: ExternalIdFault } {
  if (value === undefined || value === null) return { fault: 'id_missing' };
  if (isInexact(value)) return { fault: 'id_not_exact' };
  if (typeof value !== 'string' && typeof value !== 'number') return { fault: 'id_invalid' };
  const text = String(value);
  if (text.trim() === '') return { fault: 'id_missing' };
  if (ROUNDED.test(text)) return { fault: 'id_not_exact' };
  return text.length <= CHARACTERS_MAX && PLAIN.test(text) ? { id: text as ExternalId } : { fault: 'id_invalid' };
}

/** The id, or null for what is none. */
export function externalId(value: unknown): ExternalId | null {
  const found = readExternalId(value);
  return 'id' in found ? found.id : null;
}
