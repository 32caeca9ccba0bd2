import { defineStatement } from '#services/platform/define/statement.ts';
import type { Marks, Sql } from '../ports.ts';

export type FeedStanding = Marks & { readonly replaced: readonly string[] };

const feedStandingRead = defineStatement(
  'restoreFeedStandingRead',
  `SELECT incarnation, revocation_epoch AS "revocationEpoch", beat, replaced FROM feed_state`,
);

// Nothing is created beside what is being ended. In-flight writers are waited for; reading goes on.
const loginsLock = defineStatement(
  'restoreLoginsLock',
  'LOCK TABLE users, sessions, oauth_clients, refresh_families IN SHARE ROW EXCLUSIVE MODE',
);

// Bumps that the backup has not seen are overtaken, however many there were between two backups.
const EPOCH_LEAP = 1_000;

// All at once: the row triggers below then find nothing left to end.
const familiesEnd = defineStatement(
  'restoreFamiliesEnd',
  `WITH ended AS (
     UPDATE refresh_families SET revoked_at = clock_timestamp(), revoke_reason = $1 WHERE revoked_at IS NULL
     RETURNING id, user_id
   ), told AS (
     SELECT audit_record('token.family_ended', 'ok', 'family', id::text, jsonb_build_object('user_id', user_id, 'reason', $1::text))
     FROM ended
   )
   SELECT count(*) AS count FROM told`,
);

// The row triggers write revocation and audit rows.
const clientEpochsRaise = defineStatement(
  'restoreClientEpochsRaise',
  `UPDATE oauth_clients SET "tokenEpoch" = "tokenEpoch" + ${EPOCH_LEAP} RETURNING 1`,
);
const userEpochsRaise = defineStatement(
  'restoreUserEpochsRaise',
  `UPDATE users SET "tokenEpoch" = "tokenEpoch" + ${EPOCH_LEAP} RETURNING 1`,
);
const sessionsDelete = defineStatement('restoreSessionsDelete', `DELETE FROM sessions RETURNING 1`);

// The counters go on past the marks, so that no consumer sees an epoch twice. One-time answers of the lost time go.
const incarnationBegin = defineStatement(
  'restoreIncarnationBegin',
  `UPDATE feed_state SET incarnation = gen_random_uuid(),
     replaced = ARRAY(SELECT DISTINCT unnest(replaced || incarnation || $1::uuid[])),
     revocation_epoch = greatest(revocation_epoch, $2::bigint), beat = greatest(beat, $3::bigint) + 1, beat_at = clock_timestamp()`,
);
const idempotencyForget = defineStatement('restoreIdempotencyForget', `DELETE FROM idempotency_keys`);

const countsRead = defineStatement(
  'restoreCountsRead',
  `SELECT (SELECT count(*) FROM sessions) AS sessions, (SELECT count(*) FROM refresh_families WHERE revoked_at IS NULL) AS families,
     (SELECT count(*) FROM users) AS users, (SELECT count(*) FROM oauth_clients) AS clients`,
);

export type LoginCounts = {
  readonly sessions: number;
  readonly families: number;
  readonly users: number;
  readonly clients: number;
};

export async function readStanding(sql: Sql): Promise<FeedStanding> {
  const [row] = await sql.query<FeedStanding>(feedStandingRead);
  if (!row) throw new Error('feed_state has no row: the database is not migrated');
  return row;
}

export async function readLoginCounts(sql: Sql): Promise<LoginCounts> {
  const [row] = await sql.query<LoginCounts>(countsRead);
  return row as LoginCounts;
}

/** Ends every login and refuses every token of before, in the caller's transaction, under the audit context set. */
export async function endEverything(tx: Sql, reason: string): Promise<LoginCounts> {
  await tx.query(loginsLock);
  const [families] = await tx.query<{ count: number }>(familiesEnd, [reason]);
  const clients = await tx.query(clientEpochsRaise);
  const users = await tx.query(userEpochsRaise);
  const sessions = await tx.query(sessionsDelete);
  await tx.query(idempotencyForget);
  return { families: families?.count ?? 0, clients: clients.length, users: users.length, sessions: sessions.length };
}

/** A new incarnation begins; it names the ones whose loss it accepts. */
export async function beginIncarnation(tx: Sql, marks: Marks | null): Promise<void> {
  await tx.query(incarnationBegin, [marks ? [marks.incarnation] : [], marks?.revocationEpoch ?? 0, marks?.beat ?? 0]);
}
