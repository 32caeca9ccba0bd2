import { parseExactJson } from '#services/core/shared/exact-json.ts';
import { type ExternalId, type ExternalIdFault, readExternalId } from '#services/core/shared/external-id.ts';
import { isTrueClaim } from '#services/platform/define/true-claim.ts';
import type { SourceRecord } from '../reading/record.ts';
import type { FactorKind, LegacyAccount, LegacyRecord, LegacyUser } from './adapter.ts';

/** Reads members of records, whose types nothing guarantees. */

export type Members = Readonly<Record<string, unknown>>;

export const isMembers = (value: unknown): value is Members =>
  typeof value === 'object' && value !== null && !Array.isArray(value) && !(value instanceof Number);

/** The members of a value, or of JSON in a text; none of anything else. */
export function membersIn(value: unknown): Members {
  try {
    const read = typeof value === 'string' ? parseExactJson(value) : value;
    return isMembers(read) ? read : {};
  } catch {
    return {};
  }
}

/** A member by its dotted path; undefined where there is none. */
export function memberOf(value: unknown, path: string): unknown {
  let found = value;
  for (const name of path.split('.')) {
    if (!isMembers(found) || !Object.hasOwn(found, name)) return undefined;
    found = found[name];
  }
  return found;
}

/** Text that is not empty; numbers as text. Not for ids: `1e3` and `1000` are one text. */
export function textOf(given: unknown): string | null {
  const value = given instanceof Number ? given.valueOf() : given;
  if (typeof value === 'number' && Number.isFinite(value)) return String(value);
  return typeof value === 'string' && value.trim() !== '' ? value.trim() : null;
}

const TRUE = new Set(['true', 't', '1', 'yes']);

/** As a claim says it, or as databases write it into their exports. */
export const isTrue = (value: unknown): boolean =>
  isTrueClaim(value) || value === 1 || (typeof value === 'string' && TRUE.has(value.trim().toLowerCase()));

export const listOf = (value: unknown): readonly unknown[] => (Array.isArray(value) ? value : []);

/** Below this a number of time is seconds: as milliseconds it would be in the first weeks of 1970. */
const SECONDS_BELOW = 100_000_000_000;

export const rolesOf = (claims: Members): readonly string[] =>
  [...listOf(claims.roles), claims.role].flatMap((role) => textOf(role) ?? []);

/** A time as text (RFC 3339), or as seconds or milliseconds since 1970; an invalid date for anything else, null for nothing. */
export function dateOf(value: unknown): Date | null {
  if (value === null || value === undefined || value === '') return null;
  const number = typeof value === 'number' ? value : Number(value);
  if (Number.isFinite(number)) return new Date(number < SECONDS_BELOW ? number * 1_000 : number);
  return new Date(typeof value === 'string' ? value : Number.NaN);
}

/** Members that have a value, for `metadata`. */
export const present = (members: Members): Members =>
  Object.fromEntries(
    Object.entries(members).filter(([, value]) => value !== null && value !== undefined && value !== ''),
  );

const KINDS: readonly (readonly [RegExp, FactorKind])[] = [
  [/mail/, 'email'],
  [/passkey|webauthn|u2f|fido|security_?key/, 'passkey'],
  [/phone|sms|voice/, 'phone'],
  [/push|guardian|duo/, 'push'],
  [/totp|otp|authenticator|software_token/, 'totp'],
];

/** The kind of a second factor by the name that a source gives it. */
export const factorKindOf = (name: unknown): FactorKind =>
  KINDS.find(([form]) => form.test(String(name).toLowerCase()))?.[1] ?? 'unknown';

export const legacyUser = (known: Pick<LegacyUser, 'legacy_id' | 'email'> & Partial<LegacyUser>): LegacyUser => ({
  email_verified: false,
  name: null,
  image: null,
  created_at: null,
  disabled: false,
  password_hash: null,
  password_format: null,
  roles: [],
  metadata: {},
  accounts: [],
  totp_secret: null,
  recovery_codes: [],
  passkeys: [],
  factors_lost: [],
  ...known,
});

const FORMATS: readonly (readonly [RegExp, string])[] = [
  [/^\$2[abxy]\$/, 'bcrypt'],
  [/^\$argon2/, 'argon2'],
  [/^\$scrypt\$|^[0-9a-f]{32}:[0-9a-f]{128}$/, 'scrypt'],
  [/^\$?pbkdf2/, 'pbkdf2'],
];

/** The name of a hash's format for reports; `other` for one that only its adapter knows. */
export const formatOf = (hash: string | null): string | null =>
  hash === null ? null : (FORMATS.find(([form]) => form.test(hash))?.[1] ?? 'other');

/** Why a record is no user, and the id or address that shows which record it was. */
export type Refused = { readonly reason: string; readonly value: string };

/** An id of the record cannot be read. */
class IdRefused extends Error {
  readonly refused: Refused;
  constructor(reason: ExternalIdFault, email: string | null) {
    super(reason);
    this.refused = { reason, value: email ?? '' };
  }
}

/** The only way to the id of a user or an account. Refuses the record if there is none, or it may be another's. */
export function idOf(value: unknown, email: string | null): ExternalId {
  const read = readExternalId(value);
  if ('fault' in read) throw new IdRefused(read.fault, email);
  return read.id;
}

const isNothing = (value: unknown): boolean =>
  value === undefined || value === null || (typeof value === 'string' && value.trim() === '');

/** The first of these that the source fills. */
export const firstOf = (...values: readonly unknown[]): unknown => values.find((value) => !isNothing(value));

/** An account at a provider; none where either is missing. */
export const accountOf = (provider: string | null, subject: unknown, email: string | null): readonly LegacyAccount[] =>
  provider === null || isNothing(subject) ? [] : [{ provider, subject: idOf(subject, email) }];

/** What `make` makes, or why an id of the record cannot be read. */
export async function orRefused<T>(make: () => T | Promise<T>): Promise<T | Refused> {
  try {
    return await make();
  } catch (err) {
    if (err instanceof IdRefused) return err.refused;
    throw err;
  }
}

/** Makes users of what a reader found; what it rejected stays rejected. */
export async function* usersOf(
  found: AsyncIterable<SourceRecord>,
  make: (value: Members) => LegacyUser | Refused,
): AsyncGenerator<LegacyRecord> {
  for await (const record of found) {
    if ('reason' in record) {
      yield record;
      continue;
    }
    const made = await orRefused(() => make(record.value));
    yield 'reason' in made ? { line: record.line, ...made } : { line: record.line, user: made };
  }
}
