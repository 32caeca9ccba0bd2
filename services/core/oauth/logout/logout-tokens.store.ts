import type { AsymmetricAlgorithm } from '#services/core/keys/algorithm-shapes.ts';
import type { Sql } from '#services/core/ports.ts';
import { definePurge } from '#services/core/shared/purge.store.ts';
import { defineRetries } from '#services/core/shared/retries.store.ts';
import { defineQuestion } from '#services/platform/define/question.ts';
import { defineStatement } from '#services/platform/define/statement.ts';

/** One attempt to send a logout token. The trigger of `sessions` inserts the row when the session ends. */
export type LogoutTokenRow = {
  /** `jti` of the token. */
  readonly id: string;
  readonly client_id: string;
  readonly user_id: string;
  readonly session_id: string;
  /** Of the request that ended the session; '' if none did. */
  readonly traceparent: string;
  /** Number of attempts, including the current one. */
  readonly attempts: number;
  /** Seconds since the session ended. */
  readonly age_seconds: number;
  /** Null if the client is gone, disabled, or has no address any more. */
  readonly uri: string | null;
  /** Of the client's ID tokens; null: the default of the installation. */
  readonly id_token_signed_response_alg: AsymmetricAlgorithm | null;
  /** Whether an administrator registered the client. */
  readonly is_vetted: boolean;
};

const DUE = 'next_attempt_at <= clock_timestamp()';
/** Index: logout_tokens_due, in which few rows wait. */
export const logoutTokensAreDue = defineQuestion(`EXISTS (SELECT FROM logout_tokens WHERE ${DUE})`);

/** Leases due rows for longer than any attempt takes. The address is the client's current one. Index: logout_tokens_due. */
const logoutTokensTake = defineStatement('logoutTokensTake')`
  WITH due AS MATERIALIZED (
    SELECT id FROM logout_tokens WHERE unvetted = $1 AND ${DUE}
    ORDER BY next_attempt_at LIMIT $2
  ), locked AS MATERIALIZED (
    SELECT id FROM logout_tokens WHERE id IN (SELECT id FROM due) AND ${DUE}
    ORDER BY id FOR UPDATE SKIP LOCKED
  ), taken AS (
    UPDATE logout_tokens t SET attempts = attempts + 1, next_attempt_at = clock_timestamp() + make_interval(secs => $3)
    FROM locked WHERE t.id = locked.id
    RETURNING t.*
  )
  SELECT taken.id, taken.client_id, taken.user_id, taken.session_id,
    coalesce(taken.traceparent, '') AS traceparent, taken.attempts,
    extract(epoch FROM clock_timestamp() - taken.created_at)::float8 AS age_seconds,
    c.backchannel_logout_uri AS uri, c.id_token_signed_response_alg AS id_token_signed_response_alg,
    coalesce(c.origin = 'admin', false) AS is_vetted
  FROM taken LEFT JOIN oauth_clients c ON c."clientId" = taken.client_id AND NOT coalesce(c.disabled, false)`;

/**
 * Postpones the other rows of a client that does not answer, so that they do not take the places of other clients.
 * Skips locked rows. Index: logout_tokens_client_id.
 */
const logoutTokensOfClientPostpone = defineStatement('logoutTokensOfClientPostpone')`
  UPDATE logout_tokens SET next_attempt_at = clock_timestamp() + make_interval(secs => $2) WHERE id IN (
    SELECT id FROM logout_tokens WHERE client_id = $1 AND next_attempt_at <= clock_timestamp() + make_interval(secs => $2)
    ORDER BY id FOR UPDATE SKIP LOCKED)`;

/** Rows given up are kept for this time; rows that are still retried are younger. Index: logout_tokens_created_at. */
export const logoutTokenPurge = definePurge({
  table: 'logout_tokens',
  ends: 'created_at',
  stays: `interval '7 days'`,
});

/** @param unvetted rows of clients that no administrator registered, or the others */
export const takeLogoutTokens = (
  tx: Sql,
  unvetted: boolean,
  limit: number,
  leaseSeconds: number,
): Promise<LogoutTokenRow[]> => tx.query<LogoutTokenRow>(logoutTokensTake, [unvetted, limit, leaseSeconds]);

export const postponeLogoutTokensOf = (sql: Sql, clientId: string, seconds: number): Promise<unknown> =>
  sql.query(logoutTokensOfClientPostpone, [clientId, seconds]);

/** Index: logout_tokens_given_up. */
export const {
  remove: deleteLogoutToken,
  postpone: postponeLogoutToken,
  giveBack: giveBackLogoutToken,
  ...logoutTokenRetries
} = defineRetries('logout_tokens', { one: 'logoutToken', many: 'logoutTokens' });
