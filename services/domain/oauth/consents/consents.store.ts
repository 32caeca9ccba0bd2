import { type ClientOrigin, FIRST_PARTY_CLIENT_ID } from '#services/domain/access/access-directory.ts';
import type { Sql } from '#services/domain/ports.ts';
import { placeTime } from '#services/domain/shared/pagination.ts';
import { defineStatement } from '#services/platform/define/statement.ts';

const consentRead = defineStatement(
  'oauthConsentRead',
  `SELECT scopes FROM oauth_consents WHERE user_id = $1 AND client_id = $2 AND audience = $3`,
);

/** By the first columns of the primary key. */
const consentAny = defineStatement(
  'oauthConsentAny',
  'SELECT 1 FROM oauth_consents WHERE user_id = $1 AND client_id = $2 LIMIT 1',
);

/** Scopes add up: a narrower request later takes nothing back. */
const consentUpsert = defineStatement(
  'oauthConsentUpsert',
  `INSERT INTO oauth_consents AS held (user_id, client_id, audience, scopes) VALUES ($1, $2, $3, $4)
   ON CONFLICT (user_id, client_id, audience) DO UPDATE SET granted_at = clock_timestamp(),
     scopes = ARRAY(SELECT DISTINCT unnest(held.scopes || EXCLUDED.scopes) ORDER BY 1)`,
);

/** What is agreed to, all of it, stays agreed to until commit: whoever withdraws it waits. By primary key. */
const consentHold = defineStatement(
  'oauthConsentHold',
  `SELECT 1 FROM oauth_consents WHERE user_id = $1 AND client_id = $2 AND audience = $3 AND scopes @> $4::text[] FOR KEY SHARE`,
);

/** Before consents and logins of a user: whoever deletes the user locks them in that order. By primary key. */
const consentOwnerLock = defineStatement(
  'oauthConsentOwnerLock',
  'SELECT 1 FROM users WHERE id = $1 FOR NO KEY UPDATE',
);

/** All of a user at a client, in the order of the key; waits for codes that are being exchanged. */
const consentsDelete = defineStatement(
  'oauthConsentsDelete',
  `DELETE FROM oauth_consents WHERE (user_id, client_id, audience) IN
     (SELECT user_id, client_id, audience FROM oauth_consents WHERE user_id = $1 AND client_id = $2 ORDER BY audience FOR UPDATE)
   RETURNING 1`,
);

/** All to a client, in the order of the key; index oauth_consents_client_id. */
const consentsOfClientEnd = defineStatement(
  'oauthConsentsOfClientEnd',
  `DELETE FROM oauth_consents WHERE (user_id, client_id, audience) IN
     (SELECT user_id, client_id, audience FROM oauth_consents WHERE client_id = $1 ORDER BY user_id, audience FOR UPDATE)`,
);

/**
 * Those of a user that were given or widened since, whole; in the order of the key. Their time is the database's, in
 * milliseconds.
 */
const consentsSinceDelete = defineStatement(
  'oauthConsentsSinceDelete',
  `DELETE FROM oauth_consents WHERE (user_id, client_id, audience) IN
     (SELECT user_id, client_id, audience FROM oauth_consents WHERE user_id = $1
        AND granted_at >= date_trunc('milliseconds', $2::timestamptz) ORDER BY client_id, audience FOR UPDATE)
   RETURNING client_id AS "clientId"`,
);

/** By the key's first column and refresh_families_user_id: people let few clients act for them. */
const allowedClientsPage = defineStatement(
  'oauthAllowedClientsPage',
  `WITH allowed AS (
     SELECT client_id, audience, scopes, granted_at, 0 AS logins FROM oauth_consents WHERE user_id = $1
     UNION ALL
     SELECT client_id, audience, string_to_array(scope, ' '), created_at, 1 FROM refresh_families
     WHERE user_id = $1 AND client_id <> $2 AND revoked_at IS NULL AND now() < least(idle_expires_at, expires_at)
   )
   SELECT a.client_id AS "clientId", coalesce(c.name, a.client_id) AS "clientName", c.origin AS "clientOrigin",
     ARRAY(SELECT DISTINCT unnest(s.scopes) FROM allowed s WHERE s.client_id = a.client_id ORDER BY 1) AS scopes,
     array_agg(DISTINCT a.audience) AS audiences, ${placeTime('max(a.granted_at)')} AS "grantedAt", sum(a.logins)::int AS logins
   FROM allowed a JOIN oauth_clients c ON c."clientId" = a.client_id
   WHERE a.client_id > $3 GROUP BY a.client_id, c.name, c.origin ORDER BY a.client_id LIMIT $4`,
);

export type ConsentKey = { readonly userId: string; readonly clientId: string; readonly audience: string };

export async function readConsent(sql: Sql, { userId, clientId, audience }: ConsentKey): Promise<readonly string[]> {
  const [row] = await sql.query<{ scopes: string[] }>(consentRead, [userId, clientId, audience]);
  return row?.scopes ?? [];
}

/** Whether the user agreed to anything that this client asked for, for whatever audience. */
export const hasConsented = async (sql: Sql, userId: string, clientId: string): Promise<boolean> =>
  (await sql.query(consentAny, [userId, clientId])).length > 0;

export async function keepConsent(tx: Sql, key: ConsentKey, scopes: readonly string[]): Promise<void> {
  await tx.query(consentUpsert, [key.userId, key.clientId, key.audience, scopes]);
}

/** Whether the user agrees still to all of these scopes; held until commit. */
export async function holdConsent(
  tx: Sql,
  { userId, clientId, audience }: ConsentKey,
  scopes: readonly string[],
): Promise<boolean> {
  return (await tx.query(consentHold, [userId, clientId, audience, scopes])).length === 1;
}

/** Whoever gives or takes consents of a user waits for whoever does so already. */
export const holdConsentOwner = (tx: Sql, userId: string): Promise<unknown> => tx.query(consentOwnerLock, [userId]);

/** How many there were; the user is held until commit. */
export async function deleteConsents(tx: Sql, userId: string, clientId: string): Promise<number> {
  await holdConsentOwner(tx, userId);
  return (await tx.query(consentsDelete, [userId, clientId])).length;
}

/** Their clients; the user is held by the caller. */
export const deleteConsentsSince = async (tx: Sql, userId: string, since: string): Promise<string[]> => {
  const rows = await tx.query<{ clientId: string }>(consentsSinceDelete, [userId, since]);
  return [...new Set(rows.map(({ clientId }) => clientId))];
};

export type AllowedClientRow = {
  readonly clientId: string;
  readonly clientName: string;
  readonly clientOrigin: ClientOrigin;
  readonly scopes: readonly string[];
  readonly audiences: readonly string[];
  readonly grantedAt: string;
  readonly logins: number;
};

/** @param after the client id before the first, '' for the first page */
export const readAllowedClients = (
  sql: Sql,
  userId: string,
  after: string,
  limit: number,
): Promise<AllowedClientRow[]> =>
  sql.query<AllowedClientRow>(allowedClientsPage, [userId, FIRST_PARTY_CLIENT_ID, after, limit]);

/** Everybody is asked again. */
export const endConsentsTo = async (tx: Sql, clientId: string): Promise<void> => {
  await tx.query(consentsOfClientEnd, [clientId]);
};
