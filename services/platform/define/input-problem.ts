import type { z } from 'zod';
import { isMisspelling, nearestName } from './nearest-name.ts';

/** What a value of a type is called, by the names of Zod and of JSON Schema. */
const NOUNS: Readonly<Record<string, string>> = {
  string: 'a text',
  number: 'a number',
  int: 'a whole number',
  integer: 'a whole number',
  null: 'null',
  boolean: 'true or false',
  array: 'a list',
  object: 'a map of names to values',
  record: 'a map of names to values',
};
const FORMATS: Readonly<Record<string, string>> = {
  email: 'is not an e-mail address',
  url: 'is not a URL',
  uri: 'is not a URL',
  uuid: 'is not an id',
  datetime: 'is not a time such as 2026-01-31T08:00:00Z',
  'date-time': 'is not a time such as 2026-01-31T08:00:00Z',
  date: 'is not a date such as 2026-01-31',
};

export const OTHER_FORM = 'does not have the form that is expected here';
export const MISSING = 'is missing';
export const nounOf = (type: string): string => NOUNS[type] ?? 'of another kind';
export const formatProblem = (format: string): string => FORMATS[format] ?? OTHER_FORM;
/** The message of a rule that has none. */
const UNTOLD = 'Invalid input';

export const valueAt = (input: unknown, path: readonly PropertyKey[]): unknown =>
  path.reduce((value, key) => (value as Readonly<Record<PropertyKey, unknown>> | undefined)?.[key], input);

/** As in "have at least 1 character" or "be at most 5". */
export function sized(origin: string, end: 'least' | 'most', bound: number | bigint): string {
  if (origin === 'string') return `have at ${end} ${bound} character${bound === 1 ? '' : 's'}`;
  if (origin === 'array') return `have at ${end} ${bound} entr${bound === 1 ? 'y' : 'ies'}`;
  return `be at ${end} ${bound}`;
}

export function oneOf(values: readonly unknown[], given: unknown): string {
  const known = values.map(String);
  const nearest = nearestName(String(given), known);
  if (isMisspelling(String(given), nearest)) return `is not known: did you mean ${nearest}?`;
  return `is not one of ${known.join(', ')}`;
}

/** What is wrong with one value, as in "… is not a URL". */
export function whyOf(issue: z.core.$ZodIssue, input: unknown): string {
  const given = valueAt(input, issue.path);
  switch (issue.code) {
    case 'invalid_type':
      return given === undefined ? MISSING : `must be ${nounOf(issue.expected)}`;
    case 'too_small':
      return `must ${sized(issue.origin, 'least', issue.minimum)}`;
    case 'too_big':
      return `may ${sized(issue.origin, 'most', issue.maximum)}`;
    case 'invalid_value':
      return oneOf(issue.values, given);
    case 'unrecognized_keys':
      return `has no member ${issue.keys.join(', ')}`;
    case 'custom':
      return issue.message === UNTOLD ? OTHER_FORM : issue.message;
    case 'invalid_format':
      return formatProblem(issue.format);
    default:
      return OTHER_FORM;
  }
}
