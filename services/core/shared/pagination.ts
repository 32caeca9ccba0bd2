import { cursorInvalid } from '#services/platform/errors.ts';

/** One page of a list, and where the next one begins; null on the last page. */
export type Page<T> = { readonly items: T[]; readonly next: string | null };

/**
 * Makes a page from rows that were fetched with one more than the page shows.
 * @param placeOf the position of a row: the values that the list is ordered by, as text
 */
export function pageOf<R>(rows: readonly R[], limit: number, placeOf: (row: R) => readonly string[]): Page<R> {
  const items = rows.slice(0, limit);
  const last = rows.length > limit ? items.at(-1) : undefined;
  return { items, next: last === undefined ? null : Buffer.from(JSON.stringify(placeOf(last))).toString('base64url') };
}

/** Formats of the values in a position. */
export const PLACE = {
  /** RFC 3339 in UTC, as `placeTime` writes it. */
  time: /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/,
  id: /^[^\p{Cc}\p{Cs}]{1,255}$/u,
} as const;

/**
 * Whether this RFC 3339 time in UTC exists: JavaScript reads 30 February as a day in March, and Postgres has no year 0.
 */
export function isMoment(text: string): boolean {
  const ms = Date.parse(text);
  return !Number.isNaN(ms) && !text.startsWith('0000') && new Date(ms).toISOString().slice(0, 19) === text.slice(0, 19);
}

/** SQL: a timestamptz(3) column as text in a position, without loss. */
export const placeTime = (column: string): string =>
  `to_char(${column} AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')`;

/**
 * The position a cursor names, undefined without a cursor. A cursor says only where to continue: a forged one shows
 * nothing that its sender may not read. Throws `cursor_invalid` (400) for a cursor of another list.
 */
export function placeOfCursor(cursor: string | undefined, forms: readonly RegExp[]): readonly string[] | undefined {
  if (cursor === undefined) return undefined;
  const values = parsed(Buffer.from(cursor, 'base64url').toString('utf8'));
  const fits =
    Array.isArray(values) &&
    values.length === forms.length &&
    values.every((value, at) => typeof value === 'string' && forms[at]?.test(value)) &&
    values.every((value, at) => forms[at] !== PLACE.time || isMoment(value));
  if (!fits) throw cursorInvalid();
  return values as string[];
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}
