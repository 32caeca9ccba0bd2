import type { Sql } from '#services/domain/ports.ts';
import { defineStatement } from '#services/platform/define/statement.ts';
import { type AddressOwner, accountKey, type KnownUser } from './plan-batch.ts';

// A batch is a few statements on a thousand rows each, passed as JSON. Rows are written in the order of their ids. The
// row triggers write the audit events of each user.

/**
 * A password is the imported one if the transaction that imported it was the last that set one. A later time would not
 * do: a change that waited for that transaction may have begun before it. Indexes: legacy_users_legacy_id, users'
 * primary key, accounts_user_id, two_factors' unique user, passkeys_user_id.
 */
const knownRead = defineStatement(
  'importKnownUsersRead',
  `SELECT l.legacy_id, l.user_id, l.content_sha256, l.email_sha256, l.password_sha256, l.factors_lost,
     EXISTS (SELECT FROM two_factors f WHERE f."userId" = u.id AND f.verified)
       OR EXISTS (SELECT FROM passkeys p WHERE p."userId" = u.id) AS has_factor,
     a.password IS NOT NULL AS has_password, u.email, u."disabledAt" IS NOT NULL AS is_disabled,
     coalesce(l.password_set_at = u."passwordChangedAt", false) AS is_password_imported
   FROM legacy_users l LEFT JOIN users u ON u.id = l.user_id
     LEFT JOIN accounts a ON a."userId" = u.id AND a."providerId" = 'credential'
   WHERE l.provider = $1 AND l.legacy_id = ANY ($2::text[])`,
);

/** Index: legacy_users_user_id. */
const legacyIdRead = defineStatement(
  'importLegacyIdRead',
  'SELECT legacy_id FROM legacy_users WHERE provider = $1 AND user_id = $2',
);

/** As every writer of several users: in the order of their ids. Index: the primary key. */
const usersLock = defineStatement(
  'importUsersLock',
  'SELECT FROM users WHERE id = ANY ($1::text[]) ORDER BY id FOR NO KEY UPDATE',
);

/** Index: the unique address. */
const ownersRead = defineStatement(
  'importOwnersRead',
  `SELECT u.id AS user_id, u.email, u."emailVerified" IS NOT NULL AS is_verified,
     EXISTS (SELECT FROM legacy_users l WHERE l.provider = $1 AND l.user_id = u.id) AS is_known
   FROM users u WHERE u.email = ANY ($2::text[])`,
);

/** A client's id is the subject of its own tokens: no user takes it. Indexes: the primary keys. */
const takenIdsRead = defineStatement(
  'importTakenIdsRead',
  `SELECT id FROM users WHERE id = ANY ($1::text[])
   UNION ALL SELECT "clientId" FROM oauth_clients WHERE "clientId" = ANY ($1::text[])`,
);

/** Index: the unique account of a provider. */
const accountsRead = defineStatement(
  'importAccountsRead',
  `SELECT a."providerId" AS provider, a."accountId" AS subject, a."userId" AS user_id
   FROM accounts a JOIN unnest($1::text[], $2::text[]) AS n (provider, subject)
     ON a."providerId" = n.provider AND a."accountId" = n.subject`,
);

/** An address or id that was taken meanwhile is left out, and its record rejected. */
const usersInsert = defineStatement(
  'importUsersInsert',
  `INSERT INTO users (id, email, name, image, "emailVerified", "createdAt", "disabledAt", "owesFactor")
   SELECT id, email, name, image, CASE WHEN verified THEN now() END, coalesce(created_at, now()), CASE WHEN disabled THEN now() END, owes
   FROM jsonb_to_recordset($1::jsonb) AS n
     (id text, email text, name text, image text, verified boolean, created_at timestamptz, disabled boolean, owes boolean)
   ORDER BY id ON CONFLICT DO NOTHING RETURNING id`,
);

const passwordsInsert = defineStatement(
  'importPasswordsInsert',
  `INSERT INTO accounts (id, "accountId", "providerId", "userId", password)
   SELECT gen_random_uuid()::text, id, 'credential', id, hash
   FROM jsonb_to_recordset($1::jsonb) AS n (id text, hash text) ORDER BY id`,
);

/** For users of the import alone: the trigger ends what was opened with the password before. */
const passwordsReplace = defineStatement(
  'importPasswordsReplace',
  `INSERT INTO accounts (id, "accountId", "providerId", "userId", password)
   SELECT gen_random_uuid()::text, id, 'credential', id, hash
   FROM jsonb_to_recordset($1::jsonb) AS n (id text, hash text) ORDER BY id
   ON CONFLICT ("providerId", "accountId") DO UPDATE SET password = EXCLUDED.password, "updatedAt" = now()
   WHERE accounts.password IS DISTINCT FROM EXCLUDED.password`,
);

const accountsInsert = defineStatement(
  'importAccountsInsert',
  `INSERT INTO accounts (id, "accountId", "providerId", "userId")
   SELECT gen_random_uuid()::text, subject, provider, id
   FROM jsonb_to_recordset($1::jsonb) AS n (id text, provider text, subject text) ORDER BY id
   ON CONFLICT DO NOTHING`,
);

const rolesInsert = defineStatement(
  'importRolesInsert',
  `INSERT INTO user_roles (user_id, role) SELECT id, role
   FROM jsonb_to_recordset($1::jsonb) AS n (id text, role text) ORDER BY id, role ON CONFLICT DO NOTHING`,
);

const totpInsert = defineStatement(
  'importTotpInsert',
  `INSERT INTO two_factors (id, "userId", secret, "backupCodes", verified, "codesLeft")
   SELECT gen_random_uuid()::text, id, secret, codes, true, left_count
   FROM jsonb_to_recordset($1::jsonb) AS n (id text, secret text, codes text, left_count smallint) ORDER BY id
   ON CONFLICT DO NOTHING`,
);

const passkeysInsert = defineStatement(
  'importPasskeysInsert',
  `INSERT INTO passkeys (id, "userId", name, "publicKey", "credentialID", counter, "deviceType", "backedUp", transports, aaguid)
   SELECT gen_random_uuid()::text, id, name, public_key, credential_id, counter, device_type, backed_up, transports, aaguid
   FROM jsonb_to_recordset($1::jsonb) AS n (id text, name text, public_key text, credential_id text, counter float8,
     device_type text, backed_up boolean, transports text, aaguid text) ORDER BY id
   ON CONFLICT DO NOTHING`,
);

const metadataUpsert = defineStatement(
  'importMetadataUpsert',
  `INSERT INTO user_metadata (user_id, metadata) SELECT id, metadata
   FROM jsonb_to_recordset($1::jsonb) AS n (id text, metadata jsonb) ORDER BY id
   ON CONFLICT (user_id) DO UPDATE SET metadata = EXCLUDED.metadata`,
);

/** A member that is null leaves what the row has. */
const legacyUpsert = defineStatement(
  'importLegacyUsersUpsert',
  `INSERT INTO legacy_users (provider, legacy_id, user_id, content_sha256, email_sha256, password_sha256, password_set_at, lazy, factors_lost)
   SELECT $1, legacy_id, id, content, email, password, CASE WHEN sets_password THEN now() END, lazy, factors_lost
   FROM jsonb_to_recordset($2::jsonb) AS n (legacy_id text, id text, content text, email text, password text,
     sets_password boolean, lazy boolean, factors_lost boolean) ORDER BY legacy_id
   ON CONFLICT (provider, legacy_id) DO UPDATE SET content_sha256 = EXCLUDED.content_sha256,
     factors_lost = EXCLUDED.factors_lost,
     email_sha256 = coalesce(EXCLUDED.email_sha256, legacy_users.email_sha256),
     password_sha256 = coalesce(EXCLUDED.password_sha256, legacy_users.password_sha256),
     password_set_at = coalesce(EXCLUDED.password_set_at, legacy_users.password_set_at)`,
);

/** An address that was verified here stays verified; a user who was disabled here stays so. */
const usersUpdate = defineStatement(
  'importUsersUpdate',
  `UPDATE users u SET name = n.name, image = n.image, email = CASE WHEN n.sets_email THEN n.email ELSE u.email END,
     "emailVerified" = CASE WHEN n.verified AND (n.sets_email OR u.email = n.email) THEN coalesce(u."emailVerified", now())
       ELSE u."emailVerified" END,
     "disabledAt" = CASE WHEN n.disables THEN coalesce(u."disabledAt", now()) ELSE u."disabledAt" END,
     "owesFactor" = u."owesFactor" OR n.owes, "updatedAt" = now()
   FROM jsonb_to_recordset($1::jsonb) AS n
     (id text, name text, image text, email text, sets_email boolean, verified boolean, disables boolean, owes boolean)
   WHERE u.id = n.id`,
);

const list = (rows: readonly object[]): string => JSON.stringify(rows);

export const readKnownUsers = (sql: Sql, provider: string, ids: readonly string[]): Promise<KnownUser[]> =>
  sql.query<KnownUser>(knownRead, [provider, ids]);
/** The id at the other system. */
export const readLegacyId = async (sql: Sql, provider: string, userId: string): Promise<string | undefined> =>
  (await sql.query<{ legacy_id: string }>(legacyIdRead, [provider, userId]))[0]?.legacy_id;
export const lockUsers = async (tx: Sql, ids: readonly string[]): Promise<void> => {
  await tx.query(usersLock, [ids]);
};
export const readAddressOwners = (sql: Sql, provider: string, emails: readonly string[]): Promise<AddressOwner[]> =>
  sql.query<AddressOwner>(ownersRead, [provider, emails]);
export const readTakenIds = async (sql: Sql, ids: readonly string[]): Promise<Set<string>> =>
  new Set((await sql.query<{ id: string }>(takenIdsRead, [ids])).map(({ id }) => id));

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

export type UserRowIn = {
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
  rows: readonly (UserRowIn & { readonly sets_email: boolean; readonly disables: boolean })[],
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

export const upsertLegacyUsers = async (tx: Sql, provider: string, rows: readonly LegacyRowIn[]): Promise<void> => {
  if (rows.length > 0) await tx.query(legacyUpsert, [provider, list(rows)]);
};
