import type { Sql } from '#services/core/ports.ts';
import { definePurge } from '#services/core/shared/purge.store.ts';
import { BEAT_IS_FOLLOWED } from '#services/platform/define/beat-sql.ts';
import { defineStatement } from '#services/platform/define/statement.ts';
import type { RevocationEntry, RevocationKind } from './revocation-log.ts';

/** The row that every copy polls, and the revocations above an epoch, from one snapshot. */
export type FeedPage = {
  readonly incarnation: string;
  /** Incarnations whose loss an operator accepted. */
  readonly replaced: readonly string[];
  readonly epoch: number;
  readonly keys_version: number;
  readonly access_version: number;
  readonly beat: number;
  readonly is_beat_due: boolean;
  /** True on a replica, whose answers may be outdated. */
  readonly is_standby: boolean;
  /** The database's clock, milliseconds since 1970. */
  readonly now_ms: number;
  /** In epoch order. */
  readonly entries: readonly (RevocationEntry & { readonly createdAtMs: number })[];
};

/** Entries per statement, so that reading a page does not block the event loop. */
export const FEED_PAGE_SIZE = 2_000;

const IS_OLD = `clock_timestamp() NOT BETWEEN s.beat_at AND s.beat_at + interval '900 milliseconds'`;

// Locks nothing. Index: revocations_epoch_key. Counter and rows come from one snapshot, so every row that the counter
// has counted is visible. A JSON array keeps the answer in one row and is the cheapest form to parse.
const feedRead = defineStatement('revocationFeedRead')`
  SELECT s.incarnation, s.replaced, s.revocation_epoch AS epoch, s.keys_version,
    s.access_version, s.beat,
    ${IS_OLD} AND ${BEAT_IS_FOLLOWED} AS is_beat_due,
    pg_is_in_recovery() AS is_standby, (extract(epoch FROM clock_timestamp()) * 1000)::float8 AS now_ms,
    (SELECT coalesce(json_agg(json_build_array(r.epoch, r.kind, r.value, r.token_epoch, r.reason, r.user_id, r.client_id,
       round(extract(epoch FROM r.expires_at) * 1000), round(extract(epoch FROM r.created_at) * 1000)) ORDER BY r.epoch), '[]')
     FROM (SELECT * FROM revocations WHERE epoch > $1 ORDER BY epoch LIMIT $2) r) AS rows
  FROM feed_state s`;

// Skips the row while a transaction locks it: that transaction raises the epoch, which shows progress just as well.
const feedBeat = defineStatement('revocationFeedBeat')`
  UPDATE feed_state SET beat = beat + 1, beat_at = clock_timestamp()
  WHERE id IN (SELECT id FROM feed_state s WHERE ${IS_OLD} FOR UPDATE SKIP LOCKED)
  RETURNING pg_snapshot_xmin(pg_current_snapshot()) = pg_current_xact_id()
    AND pg_snapshot_xmax(pg_current_snapshot()) = pg_current_xact_id() AS is_last`;

// True for a database without keys, sessions and token families: it has never issued a token.
const databaseIsUnused = defineStatement('revocationDatabaseIsUnused')`
  SELECT NOT EXISTS (SELECT FROM jwks) AND NOT EXISTS (SELECT FROM sessions)
    AND NOT EXISTS (SELECT FROM refresh_families) AS is_unused`;

/** Index: revocations_expires_at. No copy may be an hour behind and still validate tokens. */
export const revocationPurge = definePurge({ table: 'revocations', ends: 'expires_at', stays: `interval '1 hour'` });

const collapseLock = defineStatement('revocationCollapseLock', 'SELECT pg_try_advisory_xact_lock(72707371) AS is_mine');

// This and the next two read the whole table, so they run only beyond the budget.
const liveCounts = defineStatement('revocationLiveCounts')`
  SELECT count(*) AS live, count(*) FILTER (WHERE kind IN ('jti', 'family')) AS of_tokens
  FROM revocations WHERE expires_at > clock_timestamp()`;

// The join leaves out deleted users: the revocation of the user covers theirs already.
const crowdedUsers = defineStatement('revocationCrowdedUsers')`
  SELECT r.user_id AS id, count(*) AS entries
  FROM revocations r JOIN users u ON u.id = r.user_id
  WHERE r.kind IN ('jti', 'sid', 'family') AND r.expires_at > clock_timestamp()
  GROUP BY r.user_id HAVING count(*) > 1 ORDER BY count(*) DESC, r.user_id LIMIT $1`;
const crowdedClients = defineStatement('revocationCrowdedClients')`
  SELECT r.client_id AS id, count(*) AS entries
  FROM revocations r JOIN oauth_clients c ON c."clientId" = r.client_id
  WHERE r.kind IN ('jti', 'family') AND r.user_id IS NULL AND r.expires_at > clock_timestamp()
  GROUP BY r.client_id HAVING count(*) > 1 ORDER BY count(*) DESC, r.client_id LIMIT $1`;

// The function raises the epochs and deletes what they cover, in one; no role deletes revocations that have not expired. Null
// ids are every client. It locks in id order, as every writer of many rows does; the row triggers end the families and write
// the epochs and audit rows.
const revocationsCollapse = defineStatement('revocationsCollapse')`
  SELECT raised, dropped AS collapsed FROM collapse_revocations($1, $2::text[])`;

type FeedRow = Omit<FeedPage, 'entries'> & {
  readonly rows: readonly [
    epoch: number,
    kind: RevocationKind,
    value: string,
    tokenEpoch: number | null,
    reason: string,
    userId: string | null,
    clientId: string | null,
    expiresAtMs: number,
    createdAtMs: number,
  ][];
};

/** The state and the first `FEED_PAGE_SIZE` revocations above `epoch`, from one snapshot. */
export async function readFeed(sql: Sql, epoch: number): Promise<FeedPage> {
  const [row] = await sql.query<FeedRow>(feedRead, [epoch, FEED_PAGE_SIZE]);
  if (!row) throw new Error('feed_state has no row: the database is not migrated');
  const { rows, ...state } = row;
  const entries = rows.map(
    ([entryEpoch, kind, value, tokenEpoch, reason, userId, clientId, expiresAtMs, createdAtMs]) => ({
      epoch: entryEpoch,
      kind,
      value,
      tokenEpoch,
      isReuse: reason === 'refresh_token_reused',
      userId,
      clientId,
      expiresAtMs,
      createdAtMs,
    }),
  );
  return { ...state, entries };
}

/**
 * Advances the beat unless another copy just did. False if a transaction was open meanwhile, whose commit the beat may
 * precede: then another beat must follow.
 */
export async function beatFeed(sql: Sql): Promise<boolean> {
  const [row] = await sql.query<{ is_last: boolean }>(feedBeat);
  return row?.is_last !== false;
}

export async function isDatabaseUnused(sql: Sql): Promise<boolean> {
  const [row] = await sql.query<{ is_unused: boolean }>(databaseIsUnused);
  return row?.is_unused === true;
}

/** A user or client with several single revocations. */
export type Crowd = { readonly id: string; readonly entries: number };

/** Allows one collapse at a time across all copies; released at commit. False while another runs. */
export async function lockCollapse(tx: Sql): Promise<boolean> {
  const [row] = await tx.query<{ is_mine: boolean }>(collapseLock);
  return row?.is_mine === true;
}

/** Counts live rows, and those among them that name a token or a token family. */
export async function readLiveRevocations(tx: Sql): Promise<{ readonly live: number; readonly of_tokens: number }> {
  const [row] = await tx.query<{ live: number; of_tokens: number }>(liveCounts);
  return row ?? { live: 0, of_tokens: 0 };
}

export const readCrowdedUsers = (tx: Sql, limit: number): Promise<Crowd[]> => tx.query<Crowd>(crowdedUsers, [limit]);
export const readCrowdedClients = (tx: Sql, limit: number): Promise<Crowd[]> =>
  tx.query<Crowd>(crowdedClients, [limit]);

export type Collapsed = {
  /** Users or clients whose epoch was raised. */
  readonly raised: number;
  /** Single revocations that were deleted. */
  readonly collapsed: number;
};

/**
 * Raises the epochs of these users, or of these clients for client-credentials tokens, and deletes the single revocations that
 * the epochs cover. Null is every client, which revokes every token.
 */
export async function collapseInto(
  tx: Sql,
  kind: 'user' | 'client',
  crowds: readonly Crowd[] | null,
): Promise<Collapsed> {
  const [row] = await tx.query<Collapsed>(revocationsCollapse, [kind, crowds?.map(({ id }) => id) ?? null]);
  return row!;
}

// Locks one row, for which only another starting copy waits.
const revocationKeepRaise = defineStatement('revocationKeepRaise')`
  UPDATE token_lifetimes SET revocation_keep_seconds = $1 WHERE revocation_keep_seconds < $1`;

/** Sets the minimum time that revocations written from now on are kept. */
export async function raiseRevocationKeep(sql: Sql, seconds: number): Promise<void> {
  await sql.query(revocationKeepRaise, [seconds]);
}
