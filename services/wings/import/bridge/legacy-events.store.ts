import type { Sql, Tx } from '#services/core/ports.ts';
import { definePurge } from '#services/core/shared/purge.store.ts';
import { defineQuestion } from '#services/platform/define/question.ts';
import { defineStatement } from '#services/platform/define/statement.ts';
import type { LegacyEvent, LegacyMeaning } from './legacy-event.ts';

/** A second delivery of an event changes nothing. */
const legacyEventInsert = defineStatement('legacyEventInsert')`
  INSERT INTO legacy_events (id, kind, subject, session, changes, occurred_at) VALUES ($1, $2, $3, $4, $5, $6)
  ON CONFLICT (id) DO NOTHING RETURNING seq`;

const DUE = 'next_attempt_at <= clock_timestamp()';
/** Index: legacy_events_next_attempt_at. */
export const legacyEventsAreDue = defineQuestion(`EXISTS (SELECT FROM legacy_events WHERE ${DUE})`);

/**
 * Locks the next event, so that a second worker takes another. An event of a user waits for the earlier ones of the same
 * user. Index: legacy_events_next_attempt_at, for the earlier ones legacy_events_subject.
 */
const legacyEventTake = defineStatement('legacyEventTake')`
  SELECT id, kind, subject, session, changes, received_at < clock_timestamp() - interval '24 hours' AS is_old,
    EXISTS (SELECT FROM legacy_events later WHERE later.subject = e.subject AND later.next_attempt_at IS NULL
      AND later.state = 'applied' AND (later.occurred_at, later.seq) > (e.occurred_at, e.seq)) AS is_superseded
  FROM legacy_events e
  WHERE ${DUE} AND NOT EXISTS (SELECT FROM legacy_events earlier
    WHERE earlier.subject = e.subject AND earlier.next_attempt_at IS NOT NULL
      AND (earlier.occurred_at, earlier.seq) < (e.occurred_at, e.seq))
  ORDER BY next_attempt_at, seq LIMIT 1 FOR UPDATE SKIP LOCKED`;
const legacyEventFinish = defineStatement('legacyEventFinish')`
  UPDATE legacy_events SET state = $2, changes = NULL, next_attempt_at = NULL WHERE id = $1`;
const legacyEventPostpone = defineStatement('legacyEventPostpone')`
  UPDATE legacy_events SET state = $2, next_attempt_at = clock_timestamp() + make_interval(secs => $3) WHERE id = $1`;
/** Index: the primary key. Its trigger writes the revocation. */
const legacySessionEnd = defineStatement('legacySessionEnd')`
  INSERT INTO legacy_sessions (id, ended_at) VALUES ($1, clock_timestamp())
  ON CONFLICT (id) DO UPDATE SET ended_at = excluded.ended_at, touched_at = excluded.touched_at
  WHERE legacy_sessions.ended_at IS NULL`;

/** For this time a repeated delivery is recognised, which its signature allows for five minutes. Index: legacy_events_received_at. */
export const legacyEventPurge = definePurge({
  table: 'legacy_events',
  ends: 'received_at',
  stays: `interval '30 days'`,
});

/** False if the event was received before. */
export async function insertLegacyEvent(sql: Sql, id: Buffer, event: LegacyEvent): Promise<boolean> {
  const [subject, session, changes] =
    event.kind === 'session_ended' ? [null, event.session, null] : [event.subject, null, JSON.stringify(event.changes)];
  return (await sql.query(legacyEventInsert, [id, event.kind, subject, session, changes, event.occurredAt])).length > 0;
}

type Taken = {
  readonly id: Buffer;
  /** Received a day ago. */
  readonly is_old: boolean;
  /** A later event of the same user was applied. */
  readonly is_superseded: boolean;
};
export type LegacyEventRow = Taken & LegacyMeaning;

export const takeLegacyEvent = async (tx: Tx): Promise<LegacyEventRow | undefined> =>
  (await tx.query<LegacyEventRow>(legacyEventTake))[0];
export const finishLegacyEvent = (tx: Tx, id: Buffer, state: string): Promise<unknown> =>
  tx.query(legacyEventFinish, [id, state]);
export const postponeLegacyEvent = (tx: Tx, id: Buffer, state: string, seconds: number): Promise<unknown> =>
  tx.query(legacyEventPostpone, [id, state, seconds]);
export const endLegacySession = (tx: Tx, id: Buffer): Promise<unknown> => tx.query(legacySessionEnd, [id]);
