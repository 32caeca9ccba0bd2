import { signerKeyId, writeFirebaseDigest } from '#services/core/identity/passwords/firebase-digests.ts';
import { parseExactJson } from '#services/core/shared/exact-json.ts';
import { readCsv } from '../reading/read-csv.ts';
import { readJsonArray } from '../reading/read-json-array.ts';
import { readNdjson } from '../reading/read-ndjson.ts';
import { sniff } from '../reading/sniff.ts';
import type { LegacySystemAdapter, LegacyUser, ReadOptions } from './adapter.ts';
import { toBase64, withFormat } from './digests.ts';
import {
  accountOf,
  dateOf,
  factorKindOf,
  firstOf,
  idOf,
  isTrue,
  legacyUser,
  listOf,
  type Members,
  memberOf,
  membersIn,
  present,
  type Refused,
  rolesOf,
  textOf,
  usersOf,
} from './members.ts';

/**
 * Supabase: rows of `auth.users` as CSV, JSON array or NDJSON. The members `identities` and `mfa_factors` are the rows of
 * those tables that belong to the user, as JSON; a query for both is in the guide.
 */

/** Values of type jsonb are text in CSV. */
function jsonOf(value: unknown): unknown {
  if (typeof value !== 'string') return value;
  try {
    return parseExactJson(value);
  } catch {
    return null;
  }
}

/** Postgres writes `2026-01-02 03:04:05.678+00`; RFC 3339 has a T, and minutes in the offset. */
const timeOf = (value: unknown): Date | null =>
  dateOf(
    textOf(value)
      ?.replace(' ', 'T')
      .replace(/([+-]\d{2})$/, '$1:00') ?? null,
  );

const isSet = (value: unknown): boolean => textOf(value) !== null;

/** A ban counts until the row has changed after its end. */
const isBanned = (row: Members): boolean => {
  const until = timeOf(row.banned_until);
  return until !== null && until.getTime() > (timeOf(row.updated_at)?.getTime() ?? 0);
};

/** The end of a ban that has none. */
const NEVER_ENDS = '9999-12-31T00:00:00Z';
/** Users who came to Supabase from Firebase: the digest holds the signer key of their project. */
const FROM_FIREBASE =
  /^\$fbscrypt\$v=1,n=(\d{1,2}),r=(\d{1,3}),p=1(?:,ss=([\w+/=-]*))?,sk=([\w+/=-]{1,512})\$([\w+/=-]{1,128})\$([\w+/=-]{1,256})$/;

/** A digest as the hasher knows it: the key is kept apart, sealed, and the digest names it. */
function digestOf(hash: string | null, { keyFound }: Pick<ReadOptions, 'keyFound'>): string | null {
  const found = FROM_FIREBASE.exec(hash ?? '');
  if (found === null) return hash;
  const [, memoryCost, rounds, saltSeparator = '', signer = '', salt = '', digest = ''] = found;
  const key = Buffer.from(signer, 'base64');
  if (keyFound?.(key) === false) return hash;
  return writeFirebaseDigest({
    keyId: signerKeyId(key),
    saltSeparator: toBase64(saltSeparator),
    rounds: Number(rounds),
    memoryCost: Number(memoryCost),
    salt: toBase64(salt),
    hash: toBase64(digest),
  });
}

const IDENTITY_OF_ADDRESS = new Set(['email', 'phone']);

function userOf(row: Members, options: ReadOptions): LegacyUser | Refused {
  const email = textOf(row.email);
  const id = idOf(row.id, email);
  if (isSet(row.deleted_at)) return { reason: 'deleted_there', value: id };
  if (email === null) return { reason: 'email_missing', value: id };
  const app = membersIn(row.raw_app_meta_data);
  const user = membersIn(row.raw_user_meta_data);
  const factors = listOf(jsonOf(row.mfa_factors)).filter((factor) => memberOf(factor, 'status') === 'verified');
  const secrets = factors.flatMap((factor) => textOf(memberOf(factor, 'secret')) ?? []);
  const { banned_until: bannedUntil, updated_at: updatedAt } = row;
  const hasEnd = isBanned(row) && bannedUntil !== NEVER_ENDS;
  return legacyUser({
    legacy_id: id,
    email,
    email_verified: isSet(row.email_confirmed_at),
    name: textOf(user.full_name) ?? textOf(user.name),
    image: textOf(user.avatar_url) ?? textOf(user.picture),
    created_at: timeOf(row.created_at),
    disabled: isBanned(row),
    ...withFormat(digestOf(textOf(row.encrypted_password), options)),
    roles: rolesOf(app),
    accounts: listOf(jsonOf(row.identities)).flatMap((identity) => {
      const provider = textOf(memberOf(identity, 'provider'));
      const subject = firstOf(memberOf(identity, 'provider_id'), memberOf(identity, 'identity_data.sub'));
      return provider === null || IDENTITY_OF_ADDRESS.has(provider) ? [] : accountOf(provider, subject, email);
    }),
    totp_secret: secrets[0] ?? null,
    factors_lost: factors.map((factor) => factorKindOf(memberOf(factor, 'factor_type'))),
    metadata: present({
      raw_app_meta_data: Object.keys(app).length > 0 ? app : null,
      raw_user_meta_data: Object.keys(user).length > 0 ? user : null,
      phone: row.phone,
      banned_until: hasEnd ? textOf(bannedUntil) : null,
      updated_at: hasEnd ? textOf(updatedAt) : null,
      is_super_admin: isTrue(row.is_super_admin) ? true : null,
    }),
  });
}

export const supabaseAdapter: LegacySystemAdapter = {
  kind: 'supabase',
  forms: ['csv', 'json'],
  async *read(stream, options) {
    const make = (row: Members): LegacyUser | Refused => userOf(row, options);
    const { first, stream: whole } = await sniff(stream);
    if (first === '[') yield* usersOf(readJsonArray(whole), make);
    else if (first === '{') yield* usersOf(readNdjson(whole), make);
    else yield* usersOf(readCsv(whole), make);
  },
};
