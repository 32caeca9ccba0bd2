import type { AsymmetricAlgorithm } from '#services/domain/keys/algorithm-shapes.ts';
import type { Sql } from '#services/domain/ports.ts';
import { definePurge } from '#services/domain/shared/purge.store.ts';
import { defineStatement } from '#services/platform/define/statement.ts';

/** One attempt to send a logout token. The trigger of `sessions` inserts the row when the session ends. */
export type LogoutTokenRow = {
  /** `jti` of the token. */
  readonly id: string;
  readonly clientId: string;
  readonly userId: string;
  readonly sessionId: string;
  /** Of the request that ended the session; '' if none did. */
  readonly traceparent: string;
  /** Number of attempts, including the current one. */
  readonly attempts: number;
  /** Seconds since the session ended. */
  readonly ageSeconds: number;
  /** Null if the client is gone, disabled, or has no address any more. */
  readonly uri: string | null;
  /** Of the client's ID tokens; null: the default of the installation. */
  readonly idTokenAlgorithm: AsymmetricAlgorithm | null;
  /** Whether an administrator registered the client. */
  readonly isVetted: boolean;
};

/** Leases due rows for longer than any attempt takes. The address is the client's current one. Index: logout_tokens_due. */
const logoutTokensTake = defineStatement(
  'logoutTokensTake',
  `WITH due AS MATERIALIZED (
     SELECT id FROM logout_tokens WHERE unvetted = $1 AND next_attempt_at <= clock_timestamp()
     ORDER BY next_attempt_at LIMIT $2
   ), locked AS MATERIALIZED (
     SELECT id FROM logout_tokens WHERE id IN (SELECT id FROM due) AND next_attempt_at <= clock_timestamp()
     ORDER BY id FOR UPDATE SKIP LOCKED
   ), taken AS (
     UPDATE logout_tokens t SET attempts = attempts + 1, next_attempt_at = clock_timestamp() + make_interval(secs => $3)
     FROM locked WHERE t.id = locked.id
     RETURNING t.*
   )
   SELECT taken.id, taken.client_id AS "clientId", taken.user_id AS "userId", taken.session_id AS "sessionId",
     coalesce(taken.traceparent, '') AS traceparent, taken.attempts,
     extract(epoch FROM clock_timestamp() - taken.created_at)::float8 AS "ageSeconds",
     c."backchannelLogoutUri" AS uri, c."idTokenSignedResponseAlg" AS "idTokenAlgorithm",
     coalesce(c.origin = 'admin', false) AS "isVetted"
   FROM taken LEFT JOIN oauth_clients c ON c."clientId" = taken.client_id AND NOT coalesce(c.disabled, false)`,
);

/** Deletes a row only for its latest attempt, so a worker that was delayed past its lease changes nothing. */
const logoutTokenDelete = defineStatement(
  'logoutTokenDelete',
  `DELETE FROM logout_tokens WHERE id = $1 AND attempts = $2 RETURNING 1`,
);

/** Gives the row up if the seconds are null. */
const logoutTokenPostpone = defineStatement(
  'logoutTokenPostpone',
  `UPDATE logout_tokens SET failure = $3, failed_at = clock_timestamp(),
     next_attempt_at = clock_timestamp() + make_interval(secs => $4)
   WHERE id = $1 AND attempts = $2 RETURNING 1`,
);

/**
 * Postpones the other rows of a client that does not answer, so that they do not take the places of other clients.
 * Skips locked rows. Index: logout_tokens_client_id.
 */
const logoutTokensOfClientPostpone = defineStatement(
  'logoutTokensOfClientPostpone',
  `UPDATE logout_tokens SET next_attempt_at = clock_timestamp() + make_interval(secs => $2) WHERE id IN (
     SELECT id FROM logout_tokens WHERE client_id = $1 AND next_attempt_at <= clock_timestamp() + make_interval(secs => $2)
     ORDER BY id FOR UPDATE SKIP LOCKED)`,
);

/** Index: logout_tokens_given_up. */
const logoutTokensGivenUp = defineStatement(
  'logoutTokensGivenUp',
  `SELECT id, attempts, failure, failed_at AS "failedAt" FROM logout_tokens WHERE next_attempt_at IS NULL
   ORDER BY failed_at DESC LIMIT $1`,
);

/** Index: logout_tokens_given_up. */
const logoutTokensGivenUpCount = defineStatement(
  'logoutTokensGivenUpCount',
  'SELECT count(*)::int AS count FROM logout_tokens WHERE next_attempt_at IS NULL',
);

/** A row that was given up gets all its attempts again. By the primary key. */
const logoutTokenRequeue = defineStatement(
  'logoutTokenRequeue',
  `UPDATE logout_tokens SET attempts = 0, created_at = clock_timestamp(), next_attempt_at = clock_timestamp()
   WHERE id = $1 AND next_attempt_at IS NULL RETURNING 1`,
);

/** Rows given up are kept for this time; rows that are still retried are younger. Index: logout_tokens_created_at. */
export const logoutTokenPurge = definePurge({
  kind: 'logout_tokens',
  table: 'logout_tokens',
  id: 'id',
  ends: 'created_at',
  stays: `interval '7 days'`,
});

type Attempt = Pick<LogoutTokenRow, 'id' | 'attempts'>;

/** @param unvetted rows of clients that no administrator registered, or the others */
export const takeLogoutTokens = (
  tx: Sql,
  unvetted: boolean,
  limit: number,
  leaseSeconds: number,
): Promise<LogoutTokenRow[]> => tx.query<LogoutTokenRow>(logoutTokensTake, [unvetted, limit, leaseSeconds]);

/** Returns false if a later attempt has taken the row. */
export const deleteLogoutToken = async (sql: Sql, { id, attempts }: Attempt): Promise<boolean> =>
  (await sql.query(logoutTokenDelete, [id, attempts])).length > 0;

/** Returns false if a later attempt has taken the row. @param seconds null to give it up */
export const postponeLogoutToken = async (
  sql: Sql,
  { id, attempts }: Attempt,
  failure: string,
  seconds: number | null,
): Promise<boolean> => (await sql.query(logoutTokenPostpone, [id, attempts, failure, seconds])).length > 0;

export const postponeLogoutTokensOf = (sql: Sql, clientId: string, seconds: number): Promise<unknown> =>
  sql.query(logoutTokensOfClientPostpone, [clientId, seconds]);

export type GivenUpLogoutToken = {
  readonly id: string;
  readonly attempts: number;
  /** Code of the last failure. */
  readonly failure: string;
  readonly failedAt: Date;
};

/** Newest first. */
export const readGivenUp = (sql: Sql, limit: number): Promise<GivenUpLogoutToken[]> =>
  sql.query<GivenUpLogoutToken>(logoutTokensGivenUp, [limit]);

export const countGivenUp = async (sql: Sql): Promise<number> =>
  (await sql.query<{ count: number }>(logoutTokensGivenUpCount))[0]!.count;

/** Returns false if the row is gone or not given up. */
export const requeueLogoutToken = async (sql: Sql, id: string): Promise<boolean> =>
  (await sql.query(logoutTokenRequeue, [id])).length > 0;
