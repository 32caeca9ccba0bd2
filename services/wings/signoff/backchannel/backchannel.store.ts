import type { Sql } from '#services/core/ports.ts';
import { definePurge } from '#services/core/shared/purge.store.ts';
import { defineAttemptEnds } from '#services/core/shared/retries.store.ts';
import { defineQuestion } from '#services/platform/define/question.ts';
import { defineStatement } from '#services/platform/define/statement.ts';

const requestInsert = defineStatement('backchannelRequestInsert')`
  INSERT INTO backchannel_requests (id, auth_req_id_hash, client_id, scope, audience, authorization_details, interval_seconds,
    expires_at, sealed)
  VALUES ($1, $2::bytea, $3, $4, $5, $6, $7::int2, $8::timestamptz, $9)`;
/** Lengthens the interval if the client polls too early (CIBA Core §11). By the unique hash. */
const requestPoll = defineStatement('backchannelRequestPoll')`
  WITH held AS MATERIALIZED (
    SELECT id, coalesce(polled_at > clock_timestamp() - make_interval(secs => interval_seconds), false) AS is_early
    FROM backchannel_requests WHERE auth_req_id_hash = $1::bytea AND client_id = $2 FOR NO KEY UPDATE
  )
  UPDATE backchannel_requests r SET polled_at = clock_timestamp(),
    interval_seconds = least(120, r.interval_seconds + CASE WHEN h.is_early THEN 5 ELSE 0 END)::int2
  FROM held h WHERE r.id = h.id
  RETURNING r.id, h.is_early, r.expires_at <= clock_timestamp() AS is_expired`;
/** Of concurrent polls one finds the row; the caller has locked the sign-off. By the unique hash. */
const requestConsume = defineStatement('backchannelRequestConsume')`
  DELETE FROM backchannel_requests WHERE auth_req_id_hash = $1::bytea AND client_id = $2 AND expires_at > clock_timestamp()
  RETURNING scope, audience, authorization_details, floor(extract(epoch FROM expires_at))::float8 AS expires_at`;
const DUE = 'next_attempt_at <= clock_timestamp()';
/** By index backchannel_requests_due, in which few rows wait. */
export const pingsAreDue = defineQuestion(`EXISTS (SELECT FROM backchannel_requests WHERE ${DUE})`);
/** Leases due pings for longer than any attempt takes. The address is the client's current one. */
const pingsTake = defineStatement('backchannelPingsTake')`
  WITH locked AS MATERIALIZED (
    SELECT id FROM backchannel_requests WHERE ${DUE} ORDER BY next_attempt_at LIMIT $1 FOR NO KEY UPDATE SKIP LOCKED
  ), taken AS (
    UPDATE backchannel_requests r SET attempts = attempts + 1, next_attempt_at = clock_timestamp() + make_interval(secs => $2)
    FROM locked WHERE r.id = locked.id RETURNING r.id, r.client_id, r.sealed, r.attempts
  )
  SELECT taken.*, 0 AS age_seconds, c.backchannel_client_notification_endpoint AS uri
  FROM taken LEFT JOIN oauth_clients c ON c."clientId" = taken.client_id AND NOT coalesce(c.disabled, false)`;
const pingEnd = defineStatement('backchannelPingEnd')`
  UPDATE backchannel_requests SET sealed = NULL, next_attempt_at = NULL WHERE id = $1 AND attempts = $2 RETURNING 1`;

/** Kept for ten minutes, so that a client learns that its request has expired. By index backchannel_requests_expires_at. */
export const backchannelPurge = definePurge({
  table: 'backchannel_requests',
  ends: 'expires_at',
  stays: `interval '10 minutes'`,
});

/** A ping opens in its row only. After a change of the key-encryption key it does not open any more, and the client polls. */
export const pingContext = (id: string): string => `ping of sign-off ${id}`;

type NewBackchannelRequest = {
  /** The sign-off. */
  readonly id: string;
  readonly authReqIdHash: Buffer;
  readonly clientId: string;
  readonly scope: string;
  readonly audience: string;
  readonly details: string;
  readonly intervalSeconds: number;
  readonly expiresAt: string;
  readonly sealedPing: string | null;
};
export const insertBackchannelRequest = async (tx: Sql, row: NewBackchannelRequest): Promise<void> => {
  await tx.query(requestInsert, [
    row.id,
    row.authReqIdHash,
    row.clientId,
    row.scope,
    row.audience,
    row.details,
    row.intervalSeconds,
    row.expiresAt,
    row.sealedPing,
  ]);
};

export const pollBackchannelRequest = async (
  sql: Sql,
  authReqIdHash: Buffer,
  clientId: string,
): Promise<{ readonly id: string; readonly is_early: boolean; readonly is_expired: boolean } | undefined> =>
  (await sql.query<{ id: string; is_early: boolean; is_expired: boolean }>(requestPoll, [authReqIdHash, clientId]))[0];

type Consumed = {
  readonly scope: string;
  readonly audience: string;
  readonly authorization_details: string;
  /** Unix seconds. */
  readonly expires_at: number;
};
export const consumeBackchannelRequest = async (
  tx: Sql,
  authReqIdHash: Buffer,
  clientId: string,
): Promise<Consumed | undefined> => (await tx.query<Consumed>(requestConsume, [authReqIdHash, clientId]))[0];

export type PingRow = {
  readonly id: string;
  readonly client_id: string;
  readonly sealed: string;
  readonly attempts: number;
  readonly age_seconds: number;
  /** Null if the client is gone, disabled, or has no address any more. */
  readonly uri: string | null;
};
export const takePings = (tx: Sql, limit: number, leaseSeconds: number): Promise<PingRow[]> =>
  tx.query<PingRow>(pingsTake, [limit, leaseSeconds]);
/** False if a later attempt has taken it. */
export const endPing = async (sql: Sql, { id, attempts }: Pick<PingRow, 'id' | 'attempts'>): Promise<boolean> =>
  (await sql.query(pingEnd, [id, attempts])).length === 1;
export const { postpone: postponePing, giveBack: giveBackPing } = defineAttemptEnds(
  'backchannel_requests',
  'backchannelPing',
);
