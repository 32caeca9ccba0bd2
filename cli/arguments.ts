import { readFile } from 'node:fs/promises';
import type { z } from 'zod';
import { CommandError, exitCodes } from './exit-codes.ts';
import { problemsOf } from './input-problems.ts';

/** Parsers of arguments and options; each throws a CommandError (2) that names the expected form. */

const REASON_MAX = 256;
const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;

export function requireReason(reason: string): void {
  if (reason.length === 0 || reason.length > REASON_MAX)
    throw new CommandError(exitCodes.usage, `--reason takes 1 to ${REASON_MAX} characters`);
}

/** @param listing the command that shows the ids */
export function uuidOf(id: string, listing: string): string {
  if (!UUID.test(id)) throw new CommandError(exitCodes.usage, `${JSON.stringify(id)} is not a valid id`, listing);
  return id;
}

/**
 * Reads one word of an option that takes a list, for Commander: every list may be written `a b`, `a,b` or by repeating the
 * option.
 * @param before what the words before it gave
 */
export const listed = (word: string, before: readonly string[] = []): readonly string[] => [
  ...before,
  ...word.split(',').map((value) => value.trim()),
];

/** @param option as the user types it, `--limit` */
export function wholeNumberOf(option: string, text: string, minimum: number, maximum: number): number {
  const number = /^\d{1,15}$/.test(text) ? Number(text) : Number.NaN;
  if (number >= minimum && number <= maximum) return number;
  throw new CommandError(exitCodes.usage, `${option} takes a whole number from ${minimum} to ${maximum}`);
}

/**
 * A time from the command line, RFC 3339. A date without time means the whole day (UTC).
 * @param end which end of a day
 */
export function instantOf(text: string, name: string, end: 'first' | 'last'): string {
  const isDay = /^\d{4}-\d\d-\d\d$/.test(text);
  const time = isDay ? `${text}${end === 'first' ? 'T00:00:00Z' : 'T23:59:59.999999Z'}` : text;
  const isTime = /^\d{4}-\d\d-\d\d(T\d\d:\d\d(:\d\d(\.\d{1,6})?)?(Z|[+-]\d\d:\d\d))$/.test(time);
  if (isTime && !Number.isNaN(Date.parse(time))) return time;
  throw new CommandError(exitCodes.usage, `${name} takes a day, or a time as 2026-01-31T08:00:00Z`);
}

/** Validates the input with the body schema of the corresponding endpoint. */
export function checked<T>({ body }: { readonly body?: z.ZodType<T> | undefined }, input: unknown): T {
  if (body === undefined) throw new TypeError('this endpoint takes no body');
  const read = body.safeParse(input);
  if (read.success) return read.data;
  const wrong = problemsOf(read.error.issues, input).join('; ');
  throw new CommandError(exitCodes.usage, wrong, 'add --help for the options');
}

/** @param fix the command that writes such a file */
export async function textOfFile(file: string, fix: string): Promise<string> {
  try {
    return await readFile(file, 'utf8');
  } catch (cause) {
    throw new CommandError(exitCodes.usage, `${file} cannot be read`, fix, { cause });
  }
}
