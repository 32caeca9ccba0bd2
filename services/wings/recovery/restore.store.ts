import type { Marks, Sql } from '#services/core/ports.ts';
import { defineStatement } from '#services/platform/define/statement.ts';

type FeedState = Marks & { readonly replaced: readonly string[] };

const feedStateRead = defineStatement('restoreFeedStateRead')`
  SELECT incarnation, revocation_epoch AS "revocationEpoch", beat, replaced FROM feed_state`;

// Waits for in-flight writers and blocks new rows while everything ends; reads continue.
const accountsLock = defineStatement('restoreAccountsLock')`
  LOCK TABLE users, sessions, oauth_clients, refresh_families IN SHARE ROW EXCLUSIVE MODE`;

// Larger than any number of increments that the backup may have missed.
const EPOCH_LEAP = 1_000;

// One statement ends all families, so the row triggers below find nothing left to end.
const familiesEnd = defineStatement('restoreFamiliesEnd')`
  WITH ended AS (
    UPDATE refresh_families SET revoked_at = clock_timestamp(), revoke_reason = $1 WHERE revoked_at IS NULL
    RETURNING id, user_id
  ), recorded AS (
    SELECT audit_record('token.family_ended', 'ok', 'family', id::text, jsonb_build_object('user_id', user_id, 'reason', $1::text))
    FROM ended
  )
  SELECT count(*) AS count FROM recorded`;

// Row triggers write the revocation and audit rows.
const clientEpochsRaise = defineStatement('restoreClientEpochsRaise')`
  UPDATE oauth_clients SET "tokenEpoch" = "tokenEpoch" + ${EPOCH_LEAP} RETURNING 1`;
const userEpochsRaise = defineStatement('restoreUserEpochsRaise')`
  UPDATE users SET "tokenEpoch" = "tokenEpoch" + ${EPOCH_LEAP} RETURNING 1`;
const sessionsDelete = defineStatement('restoreSessionsDelete', `DELETE FROM sessions RETURNING 1`);

// The counters continue above the marks, so that no consumer sees an epoch twice.
const incarnationBegin = defineStatement('restoreIncarnationBegin')`
  UPDATE feed_state SET incarnation = gen_random_uuid(),
    replaced = ARRAY(SELECT DISTINCT unnest(replaced || incarnation || $1::uuid[])),
    revocation_epoch = greatest(revocation_epoch, $2::bigint), beat = greatest(beat, $3::bigint) + 1, beat_at = clock_timestamp()`;
// Stored responses could come from the lost period.
const idempotencyForget = defineStatement('restoreIdempotencyForget', `DELETE FROM idempotency_keys`);

// Another machine may keep the marks of a restored database; the next preparation claims its folder.
const markPlaceForget = defineStatement('restoreMarkPlaceForget', `UPDATE feed_state SET mark_place = NULL`);

const countsRead = defineStatement('restoreCountsRead')`
  SELECT (SELECT count(*) FROM sessions) AS sessions, (SELECT count(*) FROM refresh_families WHERE revoked_at IS NULL) AS families,
    (SELECT count(*) FROM users) AS users, (SELECT count(*) FROM oauth_clients) AS clients`;

export type LiveCounts = {
  readonly sessions: number;
  readonly families: number;
  readonly users: number;
  readonly clients: number;
};

export async function readFeedState(sql: Sql): Promise<FeedState> {
  const [row] = await sql.query<FeedState>(feedStateRead);
  if (!row) throw new Error('feed_state has no row: the database is not migrated');
  return row;
}

export async function readLiveCounts(sql: Sql): Promise<LiveCounts> {
  const [row] = await sql.query<LiveCounts>(countsRead);
  return row as LiveCounts;
}

/** Ends every session and family and refuses every earlier token, in the caller's transaction and audit context. */
export async function endEverything(tx: Sql, reason: string): Promise<LiveCounts> {
  await tx.query(accountsLock);
  const [families] = await tx.query<{ count: number }>(familiesEnd, [reason]);
  const clients = await tx.query(clientEpochsRaise);
  const users = await tx.query(userEpochsRaise);
  const sessions = await tx.query(sessionsDelete);
  await tx.query(idempotencyForget);
  return { families: families?.count ?? 0, clients: clients.length, users: users.length, sessions: sessions.length };
}

/** Begins a new incarnation, which names the ones it replaces. */
export async function beginIncarnation(tx: Sql, marks: Marks | null): Promise<void> {
  await tx.query(incarnationBegin, [marks ? [marks.incarnation] : [], marks?.revocationEpoch ?? 0, marks?.beat ?? 0]);
}

export async function forgetMarkPlace(tx: Sql): Promise<void> {
  await tx.query(markPlaceForget);
}
