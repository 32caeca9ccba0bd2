import type { ClientOrigin } from '#services/core/access/access-directory.ts';
import { initialCopies } from '#services/core/access/client-profile.ts';
import { type ClientChanges, clientRecord } from '#services/core/access/client-record.ts';
import type { Sql } from '#services/core/ports.ts';
import { definePurge } from '#services/core/shared/purge.store.ts';
import { defineStatement } from '#services/platform/define/statement.ts';
import type { ClientMetadata } from './client-metadata.ts';

/** Uses oauth_clients_unvetted; stops counting at the limit. */
const unvettedCount = defineStatement('oauthUnvettedClientsCount')`
  SELECT count(*)::int AS count FROM (
    SELECT FROM oauth_clients WHERE origin <> 'admin' AND origin = $1 LIMIT $2) counted`;

/** Reads every document client, at most `UNVETTED_CLIENTS_MAX`; runs only when a new client is stored. */
const documentsOfHostCount = defineStatement('oauthDocumentsOfHostCount')`
  SELECT count(*)::int AS count FROM oauth_clients WHERE origin <> 'admin' AND origin = 'document'
    AND substring("clientId" FROM '^https?://(\\[[^\\]]*\\]|[^:/]*)') = $1`;

/** Uses oauth_clients_user_id. */
const documentsOfUserCount = defineStatement('oauthDocumentsOfUserCount')`
  SELECT count(*)::int AS count FROM oauth_clients
  WHERE "userId" = $1 AND origin = 'document' AND "createdAt" > now() - interval '1 day'`;

/** Unused clients of one address; uses oauth_clients_registered_from and stops counting at the limit. */
const registeredFromCount = defineStatement('oauthRegisteredFromCount')`
  SELECT count(*)::int AS count FROM (
    SELECT FROM oauth_clients r WHERE registered_from = $1
      AND NOT EXISTS (SELECT FROM refresh_families f WHERE f.client_id = r."clientId")
      AND NOT EXISTS (SELECT FROM oauth_consents c WHERE c.client_id = r."clientId") LIMIT $2) counted`;

/**
 * Evicts the unused document client that was read longest ago; it is read again when a request names it. Skips locked
 * rows. Uses oauth_clients_unvetted.
 */
const documentClientEvict = defineStatement('oauthDocumentClientEvict')`
  DELETE FROM oauth_clients WHERE id = (
    SELECT id FROM oauth_clients d WHERE origin <> 'admin' AND origin = 'document' AND NOT coalesce(disabled, false)
      AND NOT EXISTS (SELECT FROM refresh_families f WHERE f.client_id = d."clientId")
      AND NOT EXISTS (SELECT FROM oauth_consents c WHERE c.client_id = d."clientId")
    ORDER BY "updatedAt" LIMIT 1 FOR UPDATE SKIP LOCKED) RETURNING 1`;

/** The same among the clients that this user was the first to sign in to. Uses oauth_clients_user_id. */
const documentClientOfUserEvict = defineStatement('oauthDocumentClientOfUserEvict')`
  DELETE FROM oauth_clients WHERE id = (
    SELECT id FROM oauth_clients d WHERE "userId" = $1 AND origin = 'document' AND NOT coalesce(disabled, false)
      AND NOT EXISTS (SELECT FROM refresh_families f WHERE f.client_id = d."clientId")
      AND NOT EXISTS (SELECT FROM oauth_consents c WHERE c.client_id = d."clientId")
    ORDER BY "updatedAt" LIMIT 1 FOR UPDATE SKIP LOCKED) RETURNING 1`;

/**
 * Refuses a client id that equals a user id: one could act as the other. If a deleted client had the same id, the new
 * one starts at its last revoked epoch, so that the new tokens are not revoked.
 */
const unvettedInsert = defineStatement('oauthUnvettedClientInsert')`
  INSERT INTO oauth_clients (id, "clientId", secret_hash, auth_method, jwks, jwks_uri, certificate_identity, origin,
    document_until, "tokenEpoch", "userId", registered_from, ${clientRecord.columns})
  SELECT $1, $2, $3, $4, $5, $6, $7::jsonb, $8, to_timestamp($9::float8 / 1000),
    coalesce((SELECT max(token_epoch) FROM revocations WHERE kind = 'client' AND value = $2), 0),
    (SELECT users.id FROM users WHERE users.id = $10 FOR KEY SHARE), $11, ${clientRecord.columns}
  FROM jsonb_populate_record(NULL::oauth_clients, $12)
  WHERE NOT EXISTS (SELECT 1 FROM users WHERE users.id = $2)
  ON CONFLICT ("clientId") DO NOTHING RETURNING extract(epoch FROM "createdAt")::int8 AS issued_at`;

const documentClientLock = defineStatement('oauthDocumentClientLock')`
  SELECT scopes, redirect_uris, post_logout_redirect_uris
  FROM oauth_clients WHERE "clientId" = $1 AND origin = 'document' FOR UPDATE`;
/**
 * Row triggers write the audit row, and end the tokens of a client that lost a right. They also raise the version that
 * makes copies reload, unless only the times have changed.
 */
const documentClientUpdate = defineStatement('oauthDocumentClientUpdate')`
  UPDATE oauth_clients SET (${clientRecord.columns}) =
    (SELECT ${clientRecord.columns} FROM jsonb_populate_record(oauth_clients, $2)),
    document_until = to_timestamp($3::float8 / 1000), "updatedAt" = now()
  WHERE "clientId" = $1
  RETURNING ((to_jsonb(OLD) - '{document_until,updatedAt}'::text[])
    IS DISTINCT FROM (to_jsonb(NEW) - '{document_until,updatedAt}'::text[])) AS is_changed`;

/**
 * Unvetted clients that were unused for a week: no token family, no consent, and no document fetched. Disabled clients
 * are kept, because otherwise they could register again. Uses oauth_clients_unvetted, and the indexes by client of the
 * other tables.
 */
export const unvettedClientPurge = definePurge({
  kind: 'unvetted_clients',
  table: 'oauth_clients',
  ends: '"updatedAt"',
  stays: `interval '7 days'`,
  where: `origin <> 'admin' AND NOT coalesce(disabled, false)
    AND NOT EXISTS (SELECT FROM refresh_families f WHERE f.client_id = oauth_clients."clientId")
    AND NOT EXISTS (SELECT FROM oauth_consents c WHERE c.client_id = oauth_clients."clientId")`,
});

type NewUnvettedClient = {
  readonly id: string;
  readonly clientId: string;
  readonly secretHash: string | null;
  readonly name: string;
  readonly metadata: ClientMetadata;
  readonly audiences: readonly string[];
  readonly origin: Exclude<ClientOrigin, 'admin'>;
  /** Unix milliseconds; null for a self-registered client. */
  readonly documentUntilMs: number | null;
  /** The user who was the first to sign in to the client; null for a self-registered client. */
  readonly userId: string | null;
  /** Keyed hash of the address from which the client registered itself without a credential. */
  readonly registeredFrom?: string | null;
};

/** @returns the number of clients of this origin, at most `limit` */
export const countUnvettedClients = async (
  sql: Sql,
  origin: NewUnvettedClient['origin'],
  limit: number,
): Promise<number> => (await sql.query<{ count: number }>(unvettedCount, [origin, limit]))[0]!.count;

/** @returns the number of unused clients registered from this address, at most `limit` */
export const countRegisteredFrom = async (sql: Sql, from: string, limit: number): Promise<number> =>
  (await sql.query<{ count: number }>(registeredFromCount, [from, limit]))[0]!.count;

/** @returns the number of clients whose document is at this host, at any port */
export const countDocumentsOf = async (sql: Sql, hostname: string): Promise<number> =>
  (await sql.query<{ count: number }>(documentsOfHostCount, [hostname]))[0]!.count;

/** @returns the number of clients that this user was the first to sign in to within a day */
export const countDocumentsBy = async (sql: Sql, userId: string): Promise<number> =>
  (await sql.query<{ count: number }>(documentsOfUserCount, [userId]))[0]!.count;

/** Evicts one unused client; returns false if all are in use. */
export const evictDocumentClient = async (tx: Sql): Promise<boolean> =>
  (await tx.query(documentClientEvict)).length === 1;

/** Evicts one among the clients that this user was the first to sign in to; returns false if all are in use. */
export const evictDocumentClientOf = async (tx: Sql, userId: string): Promise<boolean> =>
  (await tx.query(documentClientOfUserEvict, [userId])).length === 1;

const settingsOf = ({ metadata, name, audiences }: Pick<NewUnvettedClient, 'metadata' | 'name' | 'audiences'>) =>
  // The algorithms are among those that sign here.
  clientRecord.pick({ ...(metadata as ClientChanges), name, audiences });

/** Returns the time of creation in Unix seconds; undefined if a client or a user already has the id. */
export async function insertUnvettedClient(tx: Sql, client: NewUnvettedClient): Promise<number | undefined> {
  const { auth_method: authMethod, authentication } = client.metadata;
  const { certificate_identity: identity } = authentication;
  const rows = await tx.query<{ issued_at: number }>(unvettedInsert, [
    client.id,
    client.clientId,
    client.secretHash,
    authMethod,
    authentication.jwks,
    authentication.jwks_uri,
    identity === null ? null : JSON.stringify(identity),
    client.origin,
    client.documentUntilMs,
    client.userId,
    client.registeredFrom ?? null,
    JSON.stringify(
      clientRecord.withInitial({ ...settingsOf(client), refresh_copies: initialCopies(authMethod, client.metadata) }),
    ),
  ]);
  return rows[0]?.issued_at;
}

type DocumentClient = Pick<ClientMetadata, 'scopes' | 'redirect_uris' | 'post_logout_redirect_uris'>;

/** Locks the stored client of a document until commit; undefined if there is none. */
export const lockDocumentClient = async (tx: Sql, clientId: string): Promise<DocumentClient | undefined> =>
  (await tx.query<DocumentClient>(documentClientLock, [clientId]))[0];

/** Returns false if only the times have changed. */
export async function updateDocumentClient(
  tx: Sql,
  client: Pick<NewUnvettedClient, 'clientId' | 'name' | 'metadata' | 'audiences' | 'documentUntilMs'>,
): Promise<boolean> {
  const rows = await tx.query<{ is_changed: boolean }>(documentClientUpdate, [
    client.clientId,
    // What is no longer a native application serves no copies.
    JSON.stringify({
      ...settingsOf(client),
      ...(initialCopies(client.metadata.auth_method, client.metadata) === 0 && { refresh_copies: 0 }),
    }),
    client.documentUntilMs,
  ]);
  return rows[0]?.is_changed === true;
}
