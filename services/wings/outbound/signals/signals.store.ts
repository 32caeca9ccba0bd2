import type { Sql } from '#services/core/ports.ts';
import { placeTime } from '#services/core/shared/pagination.ts';
import { definePurge } from '#services/core/shared/purge.store.ts';
import { defineStatement } from '#services/platform/define/statement.ts';
import type { ReceivedSignalView, TransmitterView } from './contract.ts';
import type { SignalOutcome } from './signal-shapes.ts';

export type TransmitterRow = {
  readonly id: string;
  readonly issuer: string;
  readonly jwks_uri: string;
  readonly audience: string;
  readonly provider: string | null;
  readonly match_email: boolean;
  /** Whether `iss_sub` with our issuer may name a user. */
  readonly own_ids: boolean;
};

/** Index: signal_transmitters_issuer. */
const transmitterOfIssuer = defineStatement('signalTransmitterOfIssuer')`
  SELECT id, issuer, jwks_uri, audience, provider, match_email,
    own_ids FROM signal_transmitters WHERE issuer = $1`;
/** Transmitters are few. */
const transmittersList = defineStatement('signalTransmittersList')`
  SELECT id AS transmitter_id, issuer, jwks_uri, audience, provider, match_email, own_ids,
    ${placeTime('created_at')} AS created_at,
    (SELECT count(*)::int FROM signals_received WHERE transmitter_id = t.id) AS received,
    (SELECT ${placeTime('max(received_at)')} FROM signals_received WHERE transmitter_id = t.id) AS last_received_at
  FROM signal_transmitters t WHERE $1::uuid IS NULL OR id = $1 ORDER BY t.created_at, id`;
const transmitterInsert = defineStatement('signalTransmitterInsert')`
  INSERT INTO signal_transmitters (id, issuer, jwks_uri, audience, provider, match_email, own_ids)
  SELECT $1, $2, $3, $4, $5, $6, $7 WHERE (SELECT count(*) FROM signal_transmitters) < $8
  ON CONFLICT (issuer) DO NOTHING RETURNING 1`;
const transmitterDelete = defineStatement('signalTransmitterDelete')`
  DELETE FROM signal_transmitters WHERE id = $1 RETURNING 1`;
/** By the primary key: of two that arrive at once, one waits for the other and inserts nothing. */
const signalInsert = defineStatement('signalInsert')`
  INSERT INTO signals_received (transmitter_id, jti, id, event, outcome) VALUES ($1, $2, $3, $4, $5)
  ON CONFLICT DO NOTHING RETURNING 1`;
/** One signal of a transmitter takes effect at a time. */
const transmitterLock = defineStatement('signalTransmitterLock')`
  SELECT pg_advisory_xact_lock(hashtextextended($1::text, 0))`;
/** Looks at no more than may be there. Index: signals_received_received_at. */
const signalsApplied = defineStatement('signalsAppliedRecently')`
  SELECT count(*)::int AS applied FROM (
    SELECT FROM signals_received WHERE received_at > clock_timestamp() - make_interval(secs => $2)
      AND transmitter_id = $1 AND outcome = 'applied' LIMIT $3) recent`;
/** Index: signals_received_received_at. */
const signalsPage = defineStatement('signalsPage')`
  SELECT id AS signal_id, transmitter_id, event, outcome, ${placeTime('received_at')} AS received_at
  FROM signals_received s WHERE $1::timestamptz IS NULL OR (s.received_at, s.id) < ($1, $2::uuid)
  ORDER BY s.received_at DESC, s.id DESC LIMIT $3`;
/** By the unique index of provider and account id. */
const userOfAccount = defineStatement('signalUserOfAccount')`
  SELECT "userId" AS id FROM accounts WHERE "providerId" = $1 AND "accountId" = $2`;
/** By the unique index of addresses. */
const userOfEmail = defineStatement('signalUserOfEmail')`
  SELECT id FROM users WHERE email = $1 AND "emailVerified" IS NOT NULL`;
const userOfId = defineStatement('signalUserOfId', 'SELECT id FROM users WHERE id = $1');

/** Its replay is refused for as long: an older event is not accepted. Index: signals_received_received_at. */
export const signalPurge = definePurge({
  kind: 'signals',
  table: 'signals_received',
  ends: 'received_at',
  stays: `interval '90 days'`,
});

export const readTransmitter = async (sql: Sql, issuer: string): Promise<TransmitterRow | undefined> =>
  (await sql.query<TransmitterRow>(transmitterOfIssuer, [issuer]))[0];
export const listTransmitterRows = (sql: Sql, id?: string): Promise<TransmitterView[]> =>
  sql.query<TransmitterView>(transmittersList, [id ?? null]);
/** False if the issuer is known, or if there are `most`. */
export const insertTransmitter = async (tx: Sql, row: TransmitterRow, most: number): Promise<boolean> =>
  (
    await tx.query(transmitterInsert, [
      row.id,
      row.issuer,
      row.jwks_uri,
      row.audience,
      row.provider,
      row.match_email,
      row.own_ids,
      most,
    ])
  ).length > 0;
/** False if it was removed meanwhile. */
export const deleteTransmitter = async (tx: Sql, id: string): Promise<boolean> =>
  (await tx.query(transmitterDelete, [id])).length > 0;

/** False if it came before. */
export const insertSignal = async (
  tx: Sql,
  row: {
    readonly transmitterId: string;
    readonly jti: Buffer;
    readonly id: string;
    readonly event: string;
    readonly outcome: SignalOutcome;
  },
): Promise<boolean> =>
  (await tx.query(signalInsert, [row.transmitterId, row.jti, row.id, row.event, row.outcome])).length > 0;
/** Until the end of the transaction. */
export const lockTransmitter = async (tx: Sql, id: string): Promise<void> =>
  void (await tx.query(transmitterLock, [id]));
/** How many events of the transmitter ended sessions within these seconds, at most `most`. */
export const countApplied = async (tx: Sql, transmitterId: string, seconds: number, most: number): Promise<number> =>
  (await tx.query<{ applied: number }>(signalsApplied, [transmitterId, seconds, most]))[0]?.applied ?? 0;
export const readSignalsPage = (
  sql: Sql,
  after: readonly string[] | undefined,
  limit: number,
): Promise<ReceivedSignalView[]> =>
  sql.query<ReceivedSignalView>(signalsPage, [after?.[0] ?? null, after?.[1] ?? null, limit]);

const idIn = (rows: readonly { readonly id: string }[]): string | undefined => rows[0]?.id;
export const findUserOfAccount = async (sql: Sql, provider: string, accountId: string): Promise<string | undefined> =>
  idIn(await sql.query<{ id: string }>(userOfAccount, [provider, accountId]));
export const findUserOfEmail = async (sql: Sql, email: string): Promise<string | undefined> =>
  idIn(await sql.query<{ id: string }>(userOfEmail, [email]));
export const findUserOfId = async (sql: Sql, id: string): Promise<string | undefined> =>
  idIn(await sql.query<{ id: string }>(userOfId, [id]));
