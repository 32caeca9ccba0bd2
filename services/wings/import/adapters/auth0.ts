import type { ExternalId } from '#services/core/shared/external-id.ts';
import { readCsv } from '../reading/read-csv.ts';
import { readJsonArray } from '../reading/read-json-array.ts';
import { readNdjson } from '../reading/read-ndjson.ts';
import type { SourceRecord } from '../reading/record.ts';
import { sniff } from '../reading/sniff.ts';
import type { FactorKind, LegacyRecord, LegacySystemAdapter, LegacyUser } from './adapter.ts';
import { readPbkdf2, withFormat, writePbkdf2 } from './digests.ts';
import {
  accountOf,
  dateOf,
  factorKindOf,
  firstOf,
  idOf,
  isMembers,
  isTrue,
  legacyUser,
  listOf,
  type Members,
  memberOf,
  orRefused,
  present,
  type Refused,
  textOf,
} from './members.ts';
import { socialNames } from './social-names.ts';

/**
 * Auth0: the user export (NDJSON, or what the User Import / Export extension writes), and the export of password hashes that its support sends (NDJSON). One file may hold
 * both, the hashes first: `cat hashes.ndjson users.ndjson`.
 */

const providerOf = socialNames({ 'google-oauth2': 'google', windowslive: 'microsoft' });
const DATABASE = 'auth0';
const prefixed = (id: ExternalId): ExternalId => `${DATABASE}|${id}` as ExternalId;

/** The columns that the User Import / Export extension has unless its user names others. */
const EXTENSION_COLUMNS: Readonly<Record<string, string>> = {
  Id: 'user_id',
  Email: 'email',
  'Email Verified': 'email_verified',
  Name: 'name',
  Nickname: 'nickname',
  'Given Name': 'given_name',
  'Family Name': 'family_name',
  Picture: 'picture',
  'Created At': 'created_at',
};

/** The record under the names of Auth0's API; a member that has its name there already wins. */
const named = (value: Members): Members => ({
  ...Object.fromEntries(
    Object.entries(EXTENSION_COLUMNS).flatMap(([column, name]) =>
      Object.hasOwn(value, column) ? [[name, value[column]]] : [],
    ),
  ),
  ...value,
});

/** A line of the export of password hashes. */
type HashLine = {
  readonly id: ExternalId;
  readonly email: string | null;
  readonly isVerified: boolean;
  readonly hash: string;
};

function hashLineOf(value: Members): HashLine | null {
  const id = firstOf(memberOf(value, '_id.$oid'), value._id);
  const hash = textOf(value.passwordHash);
  const email = textOf(value.email);
  if (id === undefined || hash === null || value.user_id !== undefined) return null;
  return { id: prefixed(idOf(id, email)), email, isVerified: isTrue(value.email_verified), hash };
}

/** The notation of `custom_password_hash` in Auth0's bulk import. */
function customHash(value: unknown): string | null {
  const text = textOf(memberOf(value, 'hash.value'));
  if (text === null) return null;
  const pbkdf2 = readPbkdf2(text);
  return pbkdf2 === null ? text : writePbkdf2(pbkdf2);
}

const KEPT = [
  'username',
  'nickname',
  'given_name',
  'family_name',
  'phone_number',
  'phone_verified',
  'user_metadata',
  'app_metadata',
] as const;

const isLinked = (identity: unknown): boolean => isTrue(memberOf(identity, 'isSocial'));

function ofUser(given: Members, hashOf: (id: ExternalId) => string | null): LegacyUser | Refused {
  const value = named(given);
  const email = textOf(value.email);
  const theirs = idOf(firstOf(value.user_id, value.id), email);
  // A bulk import names its users without the prefix.
  const id = theirs.includes('|') ? theirs : prefixed(theirs);
  if (email === null) return { reason: 'email_missing', value: id };
  const totp = listOf(value.mfa_factors).map((factor) => textOf(memberOf(factor, 'totp.secret')));
  return legacyUser({
    legacy_id: id,
    email,
    email_verified: isTrue(value.email_verified),
    name: textOf(value.name),
    image: textOf(value.picture),
    created_at: dateOf(value.created_at),
    disabled: isTrue(value.blocked),
    ...withFormat(
      hashOf(id) ?? textOf(value.passwordHash) ?? textOf(value.password_hash) ?? customHash(value.custom_password_hash),
    ),
    roles: listOf(memberOf(value, 'app_metadata.roles')).flatMap((role) => textOf(role) ?? []),
    accounts: listOf(value.identities).flatMap((identity) => {
      const provider = textOf(memberOf(identity, 'provider'));
      return provider === null || !isLinked(identity)
        ? []
        : accountOf(providerOf(provider), memberOf(identity, 'user_id'), email);
    }),
    totp_secret: totp.find((secret) => secret !== null) ?? null,
    factors_lost: factorsOf(value),
    metadata: present(Object.fromEntries(KEPT.map((name) => [name, value[name]]))),
  });
}

/** Kinds of second factors: by the providers of an export, and as the bulk import names them. */
const factorsOf = (value: Members): readonly FactorKind[] => [
  ...listOf(value.multifactor).map(factorKindOf),
  ...listOf(value.guardian_authenticators).flatMap((factor) => {
    const type = memberOf(factor, 'type');
    return type === 'recovery-code' ? [] : factorKindOf(type);
  }),
  ...listOf(value.mfa_factors).flatMap((factor) => (isMembers(factor) ? Object.keys(factor).map(factorKindOf) : [])),
];

/** Hashes wait for their users, in the order of the file; those that no user follows are users themselves. */
async function* merged(found: AsyncIterable<SourceRecord>): AsyncGenerator<LegacyRecord> {
  const waiting = new Map<string, HashLine & { readonly line: number }>();
  const taken = (id: string): string | null => {
    const hash = waiting.get(id)?.hash ?? null;
    waiting.delete(id);
    return hash;
  };
  for await (const record of found) {
    if ('reason' in record) {
      yield record;
      continue;
    }
    const { line, value } = record;
    const made = await orRefused(() => {
      const hashLine = hashLineOf(value);
      if (hashLine === null) return ofUser(value, taken);
      waiting.set(hashLine.id, { ...hashLine, line });
      return null;
    });
    if (made !== null) yield 'reason' in made ? { line, ...made } : { line, user: made };
  }
  for (const { line, id, email, isVerified, hash } of waiting.values())
    yield email === null
      ? { line, reason: 'email_missing', value: id }
      : { line, user: legacyUser({ legacy_id: id, email, email_verified: isVerified, ...withFormat(hash) }) };
}

export const auth0Adapter: LegacySystemAdapter = {
  kind: 'auth0',
  forms: ['csv', 'json'],
  async *read(stream) {
    const { first, stream: whole } = await sniff(stream);
    if (first === '[') yield* merged(readJsonArray(whole));
    else if (first === '{') yield* merged(readNdjson(whole));
    else yield* merged(readCsv(whole));
  },
};
