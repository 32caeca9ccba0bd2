import type { Sql } from '#services/core/ports.ts';
import { defineStatement } from '#services/platform/define/statement.ts';
import type { CheckedUser } from './check-user.ts';
import type { ImportRow } from './imports.store.ts';
import type { AddressOwner } from './person.ts';
import { accountKey, type KnownUser } from './plan-batch.ts';

// A batch is a few statements on a thousand rows each, passed as JSON. Rows are written in the order of their ids. The
// row triggers write the audit events of each user.

/**
 * A password is the imported one if the transaction that imported it was the last that set one. A later time would not
 * do: a change that waited for that transaction may have begun before it. Indexes: legacy_users_legacy_id, users'
 * primary key, accounts_user_id, two_factors' unique user, passkeys_user_id.
 */
const knownRead = defineStatement('importKnownUsersRead')`
  SELECT l.legacy_id, l.user_id, l.content_sha256, l.email_sha256, l.password_sha256, l.factors_lost,
    EXISTS (SELECT FROM two_factors f WHERE f."userId" = u.id AND f.verified)
      OR EXISTS (SELECT FROM passkeys p WHERE p."userId" = u.id) AS has_factor,
    a.password IS NOT NULL AS has_password, u.email, u."disabledAt" IS NOT NULL AS is_disabled,
    coalesce(l.password_set_at = u."passwordChangedAt", false) AS is_password_imported, l.joined AS is_joined,
    l.email_verified AS was_verified
  FROM legacy_users l LEFT JOIN users u ON u.id = l.user_id
    LEFT JOIN accounts a ON a."userId" = u.id AND a."providerId" = 'credential'
  WHERE l.provider = $1 AND l.legacy_id = ANY ($2::text[])`;

/** Index: legacy_users_of_user. */
const legacyIdRead = defineStatement('importLegacyIdRead')`
  SELECT legacy_id FROM legacy_users WHERE provider = $1 AND user_id = $2 ORDER BY joined LIMIT 1`;

/** As every writer of several users: in the order of their ids. Index: the primary key. */
const usersLock = defineStatement('importUsersLock')`
  SELECT FROM users WHERE id = ANY ($1::text[]) ORDER BY id FOR NO KEY UPDATE`;

/**
 * Batches of one source, which may have a person in several rows, are written one after another. Its second key is that
 * of no other lock.
 */
const sourceLock = defineStatement('importSourceLock')`
  SELECT pg_advisory_xact_lock(hashtext('legacy_users'), hashtext($1))`;

/**
 * With what the rows of the source gave: `is_sound` if the source has verified this very address in each of them, which $3 says of
 * rows that an earlier release imported. Indexes:
 * the unique address, legacy_users_of_user, accounts_user_id, the unique user of two_factors.
 */
const ownersRead = defineStatement('importOwnersRead')`
  SELECT u.id AS user_id, u.email, u."emailVerified" IS NOT NULL AS is_verified, u."disabledAt" IS NOT NULL AS is_disabled,
    a.password IS NOT NULL AS has_password, l.row_count > 0 AS is_known, l.row_count, coalesce(l.is_sound, false) AS is_sound,
    coalesce(l.is_linked, false) AS is_linked, coalesce(l.has_imported_password, false) AS has_imported_password,
    EXISTS (SELECT FROM two_factors t WHERE t."userId" = u.id) AS has_totp
  FROM users u LEFT JOIN accounts a ON a."userId" = u.id AND a."providerId" = 'credential'
    CROSS JOIN LATERAL (SELECT count(*)::int AS row_count, bool_and(email_sha256 IS NULL) AS is_linked,
      bool_and((email_verified OR legacy_id = ANY ($3::text[])) AND coalesce(email_sha256 = encode(sha256(convert_to(u.email, 'UTF8')), 'hex'), true)) AS is_sound,
      bool_or(password_set_at = u."passwordChangedAt") AS has_imported_password
      FROM legacy_users WHERE provider = $1 AND user_id = u.id) l
  WHERE u.email = ANY ($2::text[])`;

/** A client's id is the subject of its own tokens: no user takes it. Indexes: the primary keys. */
const takenIdsRead = defineStatement('importTakenIdsRead')`
  SELECT id FROM users WHERE id = ANY ($1::text[])
  UNION ALL SELECT "clientId" FROM oauth_clients WHERE "clientId" = ANY ($1::text[])`;

/** Index: the unique account of a provider. */
const accountsRead = defineStatement('importAccountsRead')`
  SELECT a."providerId" AS provider, a."accountId" AS subject, a."userId" AS user_id
  FROM accounts a JOIN unnest($1::text[], $2::text[]) AS n (provider, subject)
    ON a."providerId" = n.provider AND a."accountId" = n.subject`;

/** Users who would get a role of sign-off, and are one person with who asked for the import: by address, as they have no row yet. */
const ownSignoffRoles = defineStatement('importOwnSignoffRoles')`
  SELECT DISTINCT legacy_id FROM unnest($1::text[], $2::text[], $3::text[]) AS n (legacy_id, email, role)
  WHERE is_signoff_role(role) AND mailbox_of(n.email) IN (
    SELECT mailbox_of(u.email) FROM users u WHERE u.id = ANY (people_behind($4, $5)))`;

/** An address or id that was taken meanwhile is left out, and its record rejected. */
const usersInsert = defineStatement('importUsersInsert')`
  INSERT INTO users (id, email, name, image, "emailVerified", "createdAt", "disabledAt", "owesFactor")
  SELECT id, email, name, image, CASE WHEN verified THEN now() END, coalesce(created_at, now()), CASE WHEN disabled THEN now() END, owes
  FROM jsonb_to_recordset($1::jsonb) AS n
    (id text, email text, name text, image text, verified boolean, created_at timestamptz, disabled boolean, owes boolean)
  ORDER BY id ON CONFLICT DO NOTHING RETURNING id`;

const passwordsInsert = defineStatement('importPasswordsInsert')`
  INSERT INTO accounts (id, "accountId", "providerId", "userId", password)
  SELECT gen_random_uuid()::text, id, 'credential', id, hash
  FROM jsonb_to_recordset($1::jsonb) AS n (id text, hash text) ORDER BY id`;

/** For users of the import alone: the trigger ends what was opened with the password before. */
const passwordsReplace = defineStatement('importPasswordsReplace')`
  INSERT INTO accounts (id, "accountId", "providerId", "userId", password)
  SELECT gen_random_uuid()::text, id, 'credential', id, hash
  FROM jsonb_to_recordset($1::jsonb) AS n (id text, hash text) ORDER BY id
  ON CONFLICT ("providerId", "accountId") DO UPDATE SET password = EXCLUDED.password, "updatedAt" = now()
  WHERE accounts.password IS DISTINCT FROM EXCLUDED.password`;

const accountsInsert = defineStatement('importAccountsInsert')`
  INSERT INTO accounts (id, "accountId", "providerId", "userId")
  SELECT gen_random_uuid()::text, subject, provider, id
  FROM jsonb_to_recordset($1::jsonb) AS n (id text, provider text, subject text) ORDER BY id
  ON CONFLICT DO NOTHING`;

const rolesInsert = defineStatement('importRolesInsert')`
  INSERT INTO user_roles (user_id, role) SELECT id, role
  FROM jsonb_to_recordset($1::jsonb) AS n (id text, role text) ORDER BY id, role ON CONFLICT DO NOTHING`;

const totpInsert = defineStatement('importTotpInsert')`
  INSERT INTO two_factors (id, "userId", secret, "backupCodes", verified, "codesLeft")
  SELECT gen_random_uuid()::text, id, secret, codes, true, left_count
  FROM jsonb_to_recordset($1::jsonb) AS n (id text, secret text, codes text, left_count smallint) ORDER BY id
  ON CONFLICT DO NOTHING`;

const passkeysInsert = defineStatement('importPasskeysInsert')`
  INSERT INTO passkeys (id, "userId", name, "publicKey", "credentialID", counter, "deviceType", "backedUp", transports, aaguid)
  SELECT gen_random_uuid()::text, id, name, public_key, credential_id, counter, device_type, backed_up, transports, aaguid
  FROM jsonb_to_recordset($1::jsonb) AS n (id text, name text, public_key text, credential_id text, counter float8,
    device_type text, backed_up boolean, transports text, aaguid text) ORDER BY id
  ON CONFLICT DO NOTHING`;

const metadataUpsert = defineStatement('importMetadataUpsert')`
  INSERT INTO user_metadata (user_id, metadata) SELECT id, metadata
  FROM jsonb_to_recordset($1::jsonb) AS n (id text, metadata jsonb) ORDER BY id
  ON CONFLICT (user_id) DO UPDATE SET metadata = EXCLUDED.metadata`;

/** Members of the user's other rows stay. A column holds 32,768 bytes. */
const metadataFill = defineStatement('importMetadataFill')`
  INSERT INTO user_metadata AS m (user_id, metadata) SELECT id, metadata
  FROM jsonb_to_recordset($1::jsonb) AS n (id text, metadata jsonb) ORDER BY id
  ON CONFLICT (user_id) DO UPDATE SET metadata = EXCLUDED.metadata || m.metadata
  WHERE octet_length((EXCLUDED.metadata || m.metadata)::text) <= 32768`;

/** A release that did not note it has imported them. Index: legacy_users_legacy_id. */
const verifiedMark = defineStatement('importVerifiedMark')`
  UPDATE legacy_users SET email_verified = true WHERE provider = $1 AND legacy_id = ANY ($2::text[])`;

/** What another row of the user did not say. */
const usersFill = defineStatement('importUsersFill')`
  UPDATE users u SET name = coalesce(u.name, n.name), image = coalesce(u.image, n.image),
    "owesFactor" = u."owesFactor" OR (n.owes
      AND NOT EXISTS (SELECT FROM two_factors f WHERE f."userId" = u.id AND f.verified)
      AND NOT EXISTS (SELECT FROM passkeys p WHERE p."userId" = u.id)), "updatedAt" = now()
  FROM (SELECT id, bool_or(owes) AS owes, (array_agg(name) FILTER (WHERE name IS NOT NULL))[1] AS name,
      (array_agg(image) FILTER (WHERE image IS NOT NULL))[1] AS image
    FROM jsonb_to_recordset($1::jsonb) AS r (id text, name text, image text, owes boolean) GROUP BY id) n WHERE u.id = n.id`;

/** Their password is here. Index: legacy_users_of_user. */
const lazyEnd = defineStatement('importLazyEnd')`
  UPDATE legacy_users SET lazy = false WHERE lazy AND user_id = ANY ($1::text[])`;

/** A member that is null leaves what the row has. */
const legacyUpsert = defineStatement('importLegacyUsersUpsert')`
  INSERT INTO legacy_users (provider, legacy_id, user_id, content_sha256, email_sha256, password_sha256, password_set_at, lazy,
    factors_lost, joined, email_verified)
  SELECT $1, legacy_id, id, content, email, password, CASE WHEN sets_password THEN now() END, lazy, factors_lost, joined, verified
  FROM jsonb_to_recordset($2::jsonb) AS n (legacy_id text, id text, content text, email text, password text,
    sets_password boolean, lazy boolean, factors_lost boolean, joined boolean, verified boolean) ORDER BY legacy_id
  ON CONFLICT (provider, legacy_id) DO UPDATE SET content_sha256 = EXCLUDED.content_sha256,
    factors_lost = EXCLUDED.factors_lost, email_verified = EXCLUDED.email_verified,
    email_sha256 = coalesce(EXCLUDED.email_sha256, legacy_users.email_sha256),
    password_sha256 = coalesce(EXCLUDED.password_sha256, legacy_users.password_sha256),
    password_set_at = coalesce(EXCLUDED.password_set_at, legacy_users.password_set_at)`;

/** An address that was verified here stays verified; a user who was disabled here stays so. */
const usersUpdate = defineStatement('importUsersUpdate')`
  UPDATE users u SET name = CASE WHEN n.joined THEN u.name ELSE n.name END,
    image = CASE WHEN n.joined THEN u.image ELSE n.image END, email = CASE WHEN n.sets_email THEN n.email ELSE u.email END,
    "emailVerified" = CASE WHEN n.verified AND (n.sets_email OR u.email = n.email) THEN coalesce(u."emailVerified", now())
      ELSE u."emailVerified" END,
    "disabledAt" = CASE WHEN n.disables THEN coalesce(u."disabledAt", now()) ELSE u."disabledAt" END,
    "owesFactor" = u."owesFactor" OR n.owes, "updatedAt" = now()
  FROM jsonb_to_recordset($1::jsonb) AS n
    (id text, name text, image text, email text, sets_email boolean, verified boolean, disables boolean, owes boolean,
      joined boolean)
  WHERE u.id = n.id`;

const list = (rows: readonly object[]): string => JSON.stringify(rows);

export const readKnownUsers = (sql: Sql, provider: string, ids: readonly string[]): Promise<KnownUser[]> =>
  sql.query<KnownUser>(knownRead, [provider, ids]);
export const readLegacyId = async (sql: Sql, provider: string, userId: string): Promise<string | undefined> =>
  (await sql.query<{ legacy_id: string }>(legacyIdRead, [provider, userId]))[0]?.legacy_id;
export const lockUsers = async (tx: Sql, ids: readonly string[]): Promise<void> => {
  await tx.query(usersLock, [ids]);
};
export const readAddressOwners = (
  sql: Sql,
  provider: string,
  emails: readonly string[],
  verified: readonly string[],
): Promise<AddressOwner[]> => sql.query<AddressOwner>(ownersRead, [provider, emails, verified]);
export const markVerified = async (tx: Sql, provider: string, ids: readonly string[]): Promise<void> => {
  if (ids.length > 0) await tx.query(verifiedMark, [provider, ids]);
};
export const readTakenIds = async (sql: Sql, ids: readonly string[]): Promise<Set<string>> =>
  new Set((await sql.query<{ id: string }>(takenIdsRead, [ids])).map(({ id }) => id));

/** @returns their ids of the source */
export async function readOwnSignoffRoles(
  sql: Sql,
  users: readonly Pick<CheckedUser, 'legacy_id' | 'email' | 'roles'>[],
  { actor_kind: kind, actor_id: id }: Pick<ImportRow, 'actor_kind' | 'actor_id'>,
): Promise<Set<string>> {
  const granted = users.flatMap(({ legacy_id, email, roles }) => roles.map((role) => ({ legacy_id, email, role })));
  if (granted.length === 0) return new Set();
  const rows = await sql.query<{ legacy_id: string }>(ownSignoffRoles, [
    granted.map(({ legacy_id }) => legacy_id),
    granted.map(({ email }) => email),
    granted.map(({ role }) => role),
    ...[kind, id],
  ]);
  return new Set(rows.map(({ legacy_id }) => legacy_id));
}

export async function readAccountOwners(
  sql: Sql,
  accounts: readonly { readonly provider: string; readonly subject: string }[],
): Promise<Map<string, string>> {
  if (accounts.length === 0) return new Map();
  const rows = await sql.query<{ provider: string; subject: string; user_id: string }>(accountsRead, [
    accounts.map(({ provider }) => provider),
    accounts.map(({ subject }) => subject),
  ]);
  return new Map(rows.map((row) => [accountKey(row), row.user_id]));
}

type UserRowIn = {
  readonly id: string;
  readonly email: string;
  readonly name: string | null;
  readonly image: string | null;
  readonly verified: boolean;
  /** Whether a second factor is enrolled before the next session. */
  readonly owes: boolean;
};

/** Returns the ids that were inserted. */
export const insertUsers = async (
  tx: Sql,
  rows: readonly (UserRowIn & { readonly created_at: string | null; readonly disabled: boolean })[],
): Promise<Set<string>> => new Set((await tx.query<{ id: string }>(usersInsert, [list(rows)])).map(({ id }) => id));

export const updateUsers = async (
  tx: Sql,
  rows: readonly (UserRowIn & { readonly sets_email: boolean; readonly disables: boolean; readonly joined: boolean })[],
): Promise<void> => {
  if (rows.length > 0) await tx.query(usersUpdate, [list(rows)]);
};

type LegacyRowIn = {
  readonly legacy_id: string;
  readonly id: string;
  readonly content: string;
  readonly email: string | null;
  readonly password: string | null;
  readonly sets_password: boolean;
  readonly lazy: boolean;
  readonly factors_lost: boolean;
  readonly joined: boolean;
  readonly verified: boolean;
};

/** What else a user brings; each list may be empty. */
export type UserParts = {
  readonly passwords: readonly { readonly id: string; readonly hash: string }[];
  readonly accounts: readonly { readonly id: string; readonly provider: string; readonly subject: string }[];
  readonly roles: readonly { readonly id: string; readonly role: string }[];
  readonly totp: readonly {
    readonly id: string;
    readonly secret: string;
    readonly codes: string;
    readonly left_count: number;
  }[];
  readonly passkeys: readonly object[];
  readonly metadata: readonly { readonly id: string; readonly metadata: object }[];
};

const inserts = {
  accounts: accountsInsert,
  roles: rolesInsert,
  totp: totpInsert,
  passkeys: passkeysInsert,
  metadata: metadataUpsert,
} as const;

/** @param replaces whether the users exist, so that a password takes the place of another */
export async function insertParts(tx: Sql, parts: UserParts, replaces: boolean): Promise<void> {
  if (parts.passwords.length > 0)
    await tx.query(replaces ? passwordsReplace : passwordsInsert, [list(parts.passwords)]);
  for (const name of ['accounts', 'roles', 'totp', 'passkeys', 'metadata'] as const)
    if (parts[name].length > 0) await tx.query(inserts[name], [list(parts[name])]);
}

export const lockSource = (tx: Sql, provider: string): Promise<unknown> => tx.query(sourceLock, [provider]);

type Filling = Pick<UserRowIn, 'id' | 'name' | 'image' | 'owes'>;
/** Fills what users have not from other rows of theirs. */
export async function fillUsers(tx: Sql, rows: readonly Filling[], metadata: UserParts['metadata']): Promise<void> {
  if (rows.length > 0) await tx.query(usersFill, [list(rows)]);
  // One statement changes a row once.
  for (const each of metadata) await tx.query(metadataFill, [list([each])]);
}

/** Users whose password the other system is asked for no more. */
export const endLazy = async (tx: Sql, ids: readonly string[]): Promise<void> => {
  if (ids.length > 0) await tx.query(lazyEnd, [ids]);
};

export const upsertLegacyUsers = async (tx: Sql, provider: string, rows: readonly LegacyRowIn[]): Promise<void> => {
  if (rows.length > 0) await tx.query(legacyUpsert, [provider, list(rows)]);
};
