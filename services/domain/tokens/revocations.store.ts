import { defineStatement } from '../../platform/define/statement.ts';
import type { Sql } from '../ports.ts';
import type { RevocationEntry, RevocationKind } from './revocation-set.ts';

/** The one row every copy polls, and what was committed above an epoch: one snapshot. */
export type FeedPage = {
  readonly incarnation: string;
  /** Incarnations whose loss was accepted. */
  readonly replaced: readonly string[];
  readonly epoch: number;
  readonly keysVersion: number;
  readonly accessVersion: number;
  readonly beat: number;
  readonly isBeatDue: boolean;
  /** True on a replica: what it shows may be old however often it is asked. */
  readonly isStandby: boolean;
  /** The database's clock, milliseconds since 1970. */
  readonly nowMs: number;
  /** In epoch order. */
  readonly entries: readonly FeedEntry[];
};

export type FeedEntry = RevocationEntry & { readonly createdAtMs: number };

/** Entries per statement: reading a page must not hold the event loop. */
export const FEED_PAGE_SIZE = 2_000;

// Locks nothing. Index: revocations_epoch_key. Counter and rows come from one snapshot, so what the counter says is
// there; the JSON array keeps it one row, which is also the cheapest form to parse.
const feedRead = defineStatement(
  'revocationFeedRead',
  `SELECT s.incarnation, s.replaced, s.revocation_epoch AS epoch, s.keys_version AS "keysVersion",
     s.access_version AS "accessVersion", s.beat,
     clock_timestamp() NOT BETWEEN s.beat_at AND s.beat_at + interval '900 milliseconds' AS "isBeatDue",
     pg_is_in_recovery() AS "isStandby", (extract(epoch FROM clock_timestamp()) * 1000)::float8 AS "nowMs",
     (SELECT coalesce(json_agg(json_build_array(r.epoch, r.kind, r.value, r.token_epoch, r.reason, r.user_id, r.client_id,
        round(extract(epoch FROM r.expires_at) * 1000), round(extract(epoch FROM r.created_at) * 1000)) ORDER BY r.epoch), '[]')
      FROM (SELECT * FROM revocations WHERE epoch > $1 ORDER BY epoch LIMIT $2) r) AS rows
   FROM feed_state s`,
);

// The row is skipped while a commit holds it: that commit moves the epoch, which marks the time just as well.
const feedBeat = defineStatement(
  'revocationFeedBeat',
  `UPDATE feed_state SET beat = beat + 1, beat_at = clock_timestamp()
   WHERE id IN (SELECT id FROM feed_state
     WHERE clock_timestamp() NOT BETWEEN beat_at AND beat_at + interval '900 milliseconds' FOR UPDATE SKIP LOCKED)`,
);

// What never issued a token has nothing to revive.
const databaseIsUnused = defineStatement(
  'revocationDatabaseIsUnused',
  `SELECT NOT EXISTS (SELECT FROM jwks) AND NOT EXISTS (SELECT FROM sessions)
     AND NOT EXISTS (SELECT FROM refresh_families) AS "isUnused"`,
);

// Index: revocations_expires_at. An hour past its use: no copy can be that late and still trusted.
const expiredDelete = defineStatement(
  'revocationExpiredDelete',
  `DELETE FROM revocations WHERE id IN (SELECT id FROM revocations
     WHERE expires_at < clock_timestamp() - interval '1 hour' ORDER BY expires_at LIMIT $1 FOR UPDATE SKIP LOCKED)
   RETURNING id`,
);

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

/** State and the first `FEED_PAGE_SIZE` revocations above `epoch`, as of one moment. */
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

/** Moves the beat forward unless another copy just did. */
export async function beatFeed(sql: Sql): Promise<void> {
  await sql.query(feedBeat);
}

export async function isDatabaseUnused(sql: Sql): Promise<boolean> {
  const [row] = await sql.query<{ isUnused: boolean }>(databaseIsUnused);
  return row?.isUnused === true;
}

/** Deletes at most `limit` rows that no living token can need. @returns how many */
export async function deleteExpiredRevocations(sql: Sql, limit: number): Promise<number> {
  return (await sql.query(expiredDelete, [limit])).length;
}
