import { FIRST_PARTY_CLIENT_ID } from '#services/core/authority/callers.ts';
import type { Sql } from '#services/core/ports.ts';
import { placeTime } from '#services/core/shared/pagination.ts';
import { defineStatement } from '#services/platform/define/statement.ts';
import type { AuthorizationDetails } from '../requested-terms.ts';
import type { GrantedConsentView } from './consent-contract.ts';

const consentRead = defineStatement(
  'oauthConsentRead',
  `SELECT scopes, authorization_details FROM oauth_consents WHERE user_id = $1 AND client_id = $2 AND audience = $3`,
);

/** Uses the first columns of the primary key. */
const consentAny = defineStatement(
  'oauthConsentAny',
  'SELECT 1 FROM oauth_consents WHERE user_id = $1 AND client_id = $2 LIMIT 1',
);

/** Adds scopes: a later request for fewer scopes removes none. Details replace those before. */
const consentUpsert = defineStatement(
  'oauthConsentUpsert',
  `INSERT INTO oauth_consents AS held (user_id, client_id, audience, scopes, authorization_details) VALUES ($1, $2, $3, $4, $5)
   ON CONFLICT (user_id, client_id, audience) DO UPDATE SET granted_at = clock_timestamp(),
     authorization_details = coalesce(EXCLUDED.authorization_details, held.authorization_details),
     scopes = ARRAY(SELECT DISTINCT unnest(held.scopes || EXCLUDED.scopes) ORDER BY 1)`,
);

/** Locks a consent that has all these scopes until commit, so that a withdrawal waits. Uses the primary key. */
const consentLock = defineStatement(
  'oauthConsentLock',
  `SELECT 1 FROM oauth_consents WHERE user_id = $1 AND client_id = $2 AND audience = $3 AND scopes @> $4::text[] FOR KEY SHARE`,
);

/** Locks the user before consents and families: deleting a user locks in the same order. Uses the primary key. */
const consentOwnerLock = defineStatement(
  'oauthConsentOwnerLock',
  'SELECT 1 FROM users WHERE id = $1 FOR NO KEY UPDATE',
);

/** Deletes all consents of a user to a client, in key order; waits for codes that are being redeemed. */
const consentsDelete = defineStatement(
  'oauthConsentsDelete',
  `DELETE FROM oauth_consents WHERE (user_id, client_id, audience) IN
     (SELECT user_id, client_id, audience FROM oauth_consents WHERE user_id = $1 AND client_id = $2 ORDER BY audience FOR UPDATE)
   RETURNING 1`,
);

/** Deletes all consents to a client, in key order. Index: oauth_consents_client_id. */
const consentsOfClientEnd = defineStatement(
  'oauthConsentsOfClientEnd',
  `DELETE FROM oauth_consents WHERE (user_id, client_id, audience) IN
     (SELECT user_id, client_id, audience FROM oauth_consents WHERE client_id = $1 ORDER BY user_id, audience FOR UPDATE)`,
);

/**
 * Deletes consents of a user that were granted or widened since a time, in key order. Times are from the database's
 * clock, in milliseconds.
 */
const consentsSinceDelete = defineStatement(
  'oauthConsentsSinceDelete',
  `DELETE FROM oauth_consents WHERE (user_id, client_id, audience) IN
     (SELECT user_id, client_id, audience FROM oauth_consents WHERE user_id = $1
        AND granted_at >= date_trunc('milliseconds', $2::timestamptz) ORDER BY client_id, audience FOR UPDATE)
   RETURNING client_id`,
);

/** Uses the first column of the primary key, and refresh_families_user_id: a user consents to few clients. */
const allowedClientsPage = defineStatement(
  'oauthAllowedClientsPage',
  `WITH allowed AS (
     SELECT client_id, audience, scopes, granted_at, 0 AS logins, 0 AS copy_uses, authorization_details FROM oauth_consents WHERE user_id = $1
     UNION ALL
     SELECT client_id, audience, string_to_array(scope, ' '), created_at, 1, copy_uses, authorization_details FROM refresh_families
     WHERE user_id = $1 AND client_id <> $2 AND revoked_at IS NULL AND now() < least(idle_expires_at, expires_at)
   )
   SELECT a.client_id, coalesce(c.name, a.client_id) AS client_name, c.origin AS client_origin,
     ARRAY(SELECT DISTINCT unnest(s.scopes) FROM allowed s WHERE s.client_id = a.client_id ORDER BY 1) AS scopes,
     coalesce((SELECT jsonb_agg(d) FROM (SELECT DISTINCT jsonb_array_elements(s.authorization_details::jsonb) AS d FROM allowed s
       WHERE s.client_id = a.client_id) details), '[]') AS authorization_details,
     array_agg(DISTINCT a.audience) AS audiences, ${placeTime('max(a.granted_at)')} AS granted_at, sum(a.logins)::int AS logins,
     sum(a.copy_uses)::int AS copy_uses
   FROM allowed a JOIN oauth_clients c ON c."clientId" = a.client_id
   WHERE a.client_id > $3 GROUP BY a.client_id, c.name, c.origin ORDER BY a.client_id LIMIT $4`,
);

type ConsentKey = { readonly userId: string; readonly clientId: string; readonly audience: string };

type GrantedConsent = {
  readonly scopes: readonly string[];
  /** Those that the user allowed last. */
  readonly authorization_details: AuthorizationDetails | null;
};

export async function readGrantedConsent(
  sql: Sql,
  { userId, clientId, audience }: ConsentKey,
): Promise<GrantedConsent | undefined> {
  return (await sql.query<GrantedConsent>(consentRead, [userId, clientId, audience]))[0];
}

/** Whether the user has any consent to this client, for any audience. */
export const hasConsented = async (sql: Sql, userId: string, clientId: string): Promise<boolean> =>
  (await sql.query(consentAny, [userId, clientId])).length > 0;

export async function keepConsent(
  tx: Sql,
  key: ConsentKey,
  scopes: readonly string[],
  details: AuthorizationDetails | undefined,
): Promise<void> {
  await tx.query(consentUpsert, [key.userId, key.clientId, key.audience, scopes, details ?? null]);
}

/** Whether the user still consents to all these scopes; the consent stays locked until commit. */
export async function lockConsent(
  tx: Sql,
  { userId, clientId, audience }: ConsentKey,
  scopes: readonly string[],
): Promise<boolean> {
  return (await tx.query(consentLock, [userId, clientId, audience, scopes])).length === 1;
}

/** Locks the user, so that changes to the user's consents run one after another. */
export const lockConsentOwner = (tx: Sql, userId: string): Promise<unknown> => tx.query(consentOwnerLock, [userId]);

/** Returns the number of deleted consents; the user stays locked until commit. */
export async function deleteConsents(tx: Sql, userId: string, clientId: string): Promise<number> {
  await lockConsentOwner(tx, userId);
  return (await tx.query(consentsDelete, [userId, clientId])).length;
}

/** Deletes consents since a time and returns their clients. The caller has locked the user. */
export const deleteConsentsSince = async (tx: Sql, userId: string, since: string): Promise<string[]> => {
  const rows = await tx.query<{ client_id: string }>(consentsSinceDelete, [userId, since]);
  return [...new Set(rows.map((row) => row.client_id))];
};

/** @param after the client id before the first, '' for the first page */
export const readAllowedClients = (
  sql: Sql,
  userId: string,
  after: string,
  limit: number,
): Promise<GrantedConsentView[]> =>
  sql.query<GrantedConsentView>(allowedClientsPage, [userId, FIRST_PARTY_CLIENT_ID, after, limit]);

/** Deletes all consents to the client, so that users are asked again. */
export const endConsentsTo = async (tx: Sql, clientId: string): Promise<void> => {
  await tx.query(consentsOfClientEnd, [clientId]);
};
