/**
 * JSON whose numbers keep what they say. A number of digits alone is a number while a double holds it, and its digits as
 * text beyond. Every other one, with a sign, a point or an exponent, is a boxed number: it computes and serialises as
 * ever, and `isInexact` tells it from the digits that it may equal (`1e3` and `1000`).
 */
export const parseExactJson = (text: string): unknown => JSON.parse(text, revive as Parameters<typeof JSON.parse>[1]);

/** `source` is the literal (ECMAScript, JSON.parse source text access); only primitive values have one. */
const revive = (_name: string, value: unknown, { source }: { readonly source?: string }): unknown =>
  typeof value === 'number' ? exactNumber(source as string) : value;

/** The same for a literal that stands in text, as in `{"$numberLong": "42"}`. */
export function exactNumber(literal: string): unknown {
  if (!/^\d+$/.test(literal)) return Object(Number(literal));
  const value = Number(literal);
  return String(value) === literal && Number.isSafeInteger(value) ? value : literal;
}

export const isInexact = (value: unknown): boolean =>
  value instanceof Number || (typeof value === 'number' && (!Number.isSafeInteger(value) || isNegative(value)));

const isNegative = (value: number): boolean => value < 0 || Object.is(value, -0);
