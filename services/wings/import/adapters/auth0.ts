import type { ExternalId } from '#services/core/shared/external-id.ts';
import { readCsv } from '../reading/read-csv.ts';
import { readJsonArray } from '../reading/read-json-array.ts';
import { readNdjson } from '../reading/read-ndjson.ts';
import type { SourceRecord } from '../reading/record.ts';
import { sniff } from '../reading/sniff.ts';
import type { FactorKind, LegacyRecord, LegacySystemAdapter, LegacyUser } from './adapter.ts';
import { readPbkdf2, withFormat } from './digests.ts';
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

const names = socialNames({ 'google-oauth2': 'google', windowslive: 'microsoft' });
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
  return pbkdf2 === null
    ? text
    : `$pbkdf2-${pbkdf2.hash}$${pbkdf2.rounds}$${adapted(pbkdf2.salt)}$${adapted(pbkdf2.key)}`;
}
const adapted = (base64: string): string => base64.replaceAll('=', '').replaceAll('+', '.');

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
        : accountOf(names.ours(provider), memberOf(identity, 'user_id'), email);
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

/** How Auth0's bulk import takes a hash. What it cannot verify is left out. */
function hashMembers(hash: string | null): Members {
  if (hash === null) return {};
  if (/^\$2[ab]\$/.test(hash)) return { password_hash: hash };
  const pbkdf2 = readPbkdf2(hash);
  if (pbkdf2 !== null) {
    const { salt, key } = pbkdf2;
    const length = Buffer.from(key, 'base64').length;
    const [plainSalt, plainKey] = [salt, key].map((text) => text.replaceAll('=', ''));
    const value = `$pbkdf2-${pbkdf2.hash}$i=${pbkdf2.rounds},l=${length}$${plainSalt}$${plainKey}`;
    return { custom_password_hash: { algorithm: 'pbkdf2', hash: { value, encoding: 'utf8' } } };
  }
  const algorithm = /^\$(argon2)(?:id|i)\$|^\$(scrypt)\$/.exec(hash);
  if (algorithm === null) return {};
  return {
    custom_password_hash: {
      algorithm: algorithm[1] ?? algorithm[2],
      hash: { value: hash, encoding: 'utf8' },
    },
  };
}

const bare = (legacyId: string): string => legacyId.replace(/^auth0\|/, '');

/** A user of Auth0's bulk import; with `identities`, which that import does not take, in the form of an export. */
function rowOf(user: LegacyUser, isExport: boolean): Members {
  const { metadata, roles } = user;
  const app = metadata.app_metadata;
  const { roles: _, ...others } = typeof app === 'object' && app !== null ? (app as Members) : {};
  const appMetadata = roles.length > 0 ? { ...others, roles } : others;
  return present({
    user_id: isExport ? user.legacy_id : bare(user.legacy_id),
    email: user.email,
    email_verified: user.email_verified,
    name: user.name,
    picture: user.image,
    created_at: isExport ? user.created_at?.toISOString() : null,
    blocked: user.disabled || null,
    ...hashMembers(user.password_hash),
    mfa_factors: user.totp_secret === null ? null : [{ totp: { secret: user.totp_secret } }],
    identities:
      isExport && user.accounts.length > 0
        ? user.accounts.map(({ provider, subject }) => ({
            provider: names.theirs(provider),
            connection: names.theirs(provider),
            user_id: subject,
            isSocial: true,
          }))
        : null,
    ...Object.fromEntries(KEPT.map((name) => [name, metadata[name]])),
    app_metadata: Object.keys(appMetadata).length > 0 ? appMetadata : null,
  });
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
  /** One user a line. With the parameter `form: bulk-import` a line has only what Auth0's bulk import takes. */
  async *write(users, { parameters }) {
    const isExport = parameters.form !== 'bulk-import';
    for await (const user of users) yield `${JSON.stringify(rowOf(user, isExport))}\n`;
  },
};
