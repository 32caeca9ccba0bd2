import type { Marks, Sql } from '#services/core/ports.ts';
import { defineStatement } from '#services/platform/define/statement.ts';
import type { FeedEntry } from './feed-segments.ts';

// The row is the feed's own lock. New numbers begin above all that a consumer may have seen.
const feedEpochRaise = defineStatement('restoreFeedEpochRaise')`
  UPDATE feed_state SET revocation_epoch = greatest(revocation_epoch, $1::bigint), beat = greatest(beat, $2::bigint) + 1,
    beat_at = clock_timestamp()`;

// Numbered at commit by the trigger. Expired rows are of tokens that have expired.
const feedRevocationsInsert = defineStatement('restoreFeedRevocationsInsert')`
  INSERT INTO revocations (kind, value, token_epoch, reason, expires_at)
  SELECT e.kind, e.value, e.token_epoch, e.reason, to_timestamp(e.expires_at)
  FROM unnest($1::text[], $2::text[], $3::int[], $4::text[], $5::float8[]) WITH ORDINALITY AS e(kind, value, token_epoch, reason, expires_at, place)
  ORDER BY e.place RETURNING 1`;

// Each locks in id order, as every writer of many rows does; each finds its rows by the primary key or `clientId`. Row
// triggers write what else follows: families of users and sessions end, and audit rows.
const feedUsersRaise = defineStatement('restoreFeedUsersRaise')`
  UPDATE users u SET "tokenEpoch" = e.epoch
  FROM (SELECT u.id, e.epoch FROM users u JOIN unnest($1::text[], $2::int[]) AS e(id, epoch) ON e.id = u.id
    WHERE u."tokenEpoch" < e.epoch ORDER BY u.id FOR NO KEY UPDATE OF u) e
  WHERE u.id = e.id RETURNING u.id`;
const feedClientsRaise = defineStatement('restoreFeedClientsRaise')`
  UPDATE oauth_clients c SET "tokenEpoch" = e.epoch
  FROM (SELECT c.id, e.epoch FROM oauth_clients c JOIN unnest($1::text[], $2::int[]) AS e(id, epoch) ON e.id = c."clientId"
    WHERE c."tokenEpoch" < e.epoch ORDER BY c.id FOR NO KEY UPDATE OF c) e
  WHERE c.id = e.id RETURNING c."clientId" AS id`;
const feedSessionsDelete = defineStatement('restoreFeedSessionsDelete')`
  DELETE FROM sessions WHERE id IN (SELECT id FROM sessions WHERE id = ANY($1) ORDER BY id FOR UPDATE) RETURNING 1`;
const feedFamiliesEnd = defineStatement('restoreFeedFamiliesEnd')`
  WITH ended AS (
    UPDATE refresh_families f SET revoked_at = clock_timestamp(), revoke_reason = e.reason
    FROM unnest($1::text[], $2::text[]) AS e(id, reason)
    WHERE f.id::text = e.id AND f.revoked_at IS NULL
      AND f.id IN (SELECT id FROM refresh_families WHERE id = ANY($1::uuid[]) ORDER BY id FOR NO KEY UPDATE)
    RETURNING f.id, f.user_id, e.reason
  )
  SELECT audit_record('token.family_ended', 'ok', 'family', id::text, jsonb_build_object('user_id', user_id, 'reason', reason))
  FROM ended`;

export type FeedEffects = {
  readonly revocations: number;
  /** Ids whose epoch was raised. */
  readonly users: readonly string[];
  readonly clients: readonly string[];
  readonly sessions: number;
  readonly families: number;
};

const REASON = 'restored_from_feed';
const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

/** Raises the counters of the feed above what it proves and above the marks. */
export async function raiseFeedEpoch(tx: Sql, to: number, marks: Marks | null): Promise<void> {
  await tx.query(feedEpochRaise, [Math.max(to, marks?.revocationEpoch ?? 0), marks?.beat ?? 0]);
}

/** Writes missing revocations, and ends what they are about, in the caller's transaction and audit context. */
export async function applyFeedEntries(tx: Sql, entries: readonly FeedEntry[]): Promise<FeedEffects> {
  const reasonOf = ({ reason }: FeedEntry): string => reason ?? REASON;
  const of = (kind: FeedEntry['kind']): readonly FeedEntry[] => entries.filter((entry) => entry.kind === kind);
  /** The highest epoch of each user or client. */
  const raised = (kind: 'user' | 'client'): [string[], number[]] => {
    const epochs = new Map<string, number>();
    for (const { value, token_epoch = 0 } of of(kind)) epochs.set(value, Math.max(token_epoch, epochs.get(value) ?? 0));
    return [[...epochs.keys()], [...epochs.values()]];
  };
  const users = await tx.query<{ id: string }>(feedUsersRaise, raised('user'));
  const clients = await tx.query<{ id: string }>(feedClientsRaise, raised('client'));
  const sessions = await tx.query(feedSessionsDelete, [of('sid').map(({ value }) => value)]);
  const families = new Map(
    of('family').flatMap((entry) => (UUID.test(entry.value) ? [[entry.value, reasonOf(entry)]] : [])),
  );
  const ended = await tx.query(feedFamiliesEnd, [[...families.keys()], [...families.values()]]);
  const written = await tx.query(feedRevocationsInsert, [
    entries.map(({ kind }) => kind),
    entries.map(({ value }) => value),
    entries.map(({ token_epoch = null }) => token_epoch),
    entries.map(reasonOf),
    entries.map(({ expires_at }) => expires_at),
  ]);
  return {
    revocations: written.length,
    users: users.map(({ id }) => id),
    clients: clients.map(({ id }) => id),
    sessions: sessions.length,
    families: ended.length,
  };
}
