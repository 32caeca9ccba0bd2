import type { Sql } from '#services/core/ports.ts';
import {
  bigintArray,
  blobArray,
  bytesArray,
  instantArray,
  integerArray,
  textArray,
} from '#services/core/shared/binary-arrays.ts';
import { defineQuestion } from '#services/platform/define/question.ts';
import { defineStatement } from '#services/platform/define/statement.ts';
import type { Json } from '../log/canonical-json.ts';
import type { GrownTile } from '../log/grow-tree.ts';
import type { LeafEvent, PersonalValue } from '../log/leaf.ts';

export type OutboxRow = Pick<
  LeafEvent,
  'event_id' | 'type' | 'outcome' | 'actor_kind' | 'actor_id' | 'target_kind' | 'target_id' | 'client_id'
> & {
  readonly id: number;
  /** Microseconds since 1970. Part of the primary key, with `id`. */
  readonly occurred_at_micros: number;
  readonly ip_hash: string | null;
  readonly agent_hash: string | null;
  readonly detail: { readonly [member: string]: Json };
  readonly traceparent: string | null;
  /** Sequence number of its event if another row of it is sealed already. Then this row gets the same number. */
  readonly known_seq: number | null;
  readonly now_micros: number;
};

export type SealedRow = {
  readonly row: OutboxRow;
  readonly seq: number;
  readonly leaf: Buffer;
  /** `subject`: the user whose erasure removes the value. */
  readonly personal: readonly (PersonalValue & { readonly subject: string | null })[];
  /** The row has a detail, or a target, that the leaf does not show whole. */
  readonly hidesDetail: boolean;
  readonly hidesTarget: boolean;
};

const micros = (expression: string): string => `(extract(epoch FROM ${expression}) * 1000000)::bigint`;

export const OUTBOX_COLUMNS = `id, ${micros('occurred_at')} AS occurred_at_micros, event_id, type, outcome,
  actor_kind, actor_id, target_kind, target_id, client_id,
  ip_hash, agent_hash, detail, traceparent,
  (SELECT seq FROM audit_events e WHERE e.event_id = o.event_id) AS known_seq, ${micros('clock_timestamp()')} AS now_micros`;

// Uses audit_outbox_unsealed, the only index in this order. Reads every visible unsealed row, whatever the order of the
// commits.
export const auditOutboxUnsealed = defineStatement('auditOutboxUnsealed')`
  SELECT ${OUTBOX_COLUMNS}
  FROM (SELECT * FROM audit_outbox WHERE seq IS NULL ORDER BY occurred_at, id LIMIT $1) o ORDER BY occurred_at, id`;

/** Uses the unique index of each partition. For the one event that is sealed out of order: `audit.log_continued`. */
const auditOutboxEventRead = defineStatement('auditOutboxEventRead')`
  SELECT ${OUTBOX_COLUMNS} FROM audit_outbox o WHERE event_id = $1 AND seq IS NULL`;

// The columns are read from the leaf, so that they equal it when they are written.
const auditEventsInsert = defineStatement('auditEventsInsert')`
  INSERT INTO audit_events (seq, event_id, type, outcome, actor_kind, actor_id, target_kind, target_id, client_id, detail,
    trace_id, occurred_at, sealed_at, leaf)
  SELECT $1 + n - 1, (j->>'event_id')::uuid, j->>'type', j->>'outcome', j->'actor'->>'kind', j->'actor'->>'id',
    j->'target'->>'kind', j->'target'->>'id', j->>'client_id', j->'detail', j->>'trace_id', (j->>'occurred_at')::timestamptz,
    (j->>'sealed_at')::timestamptz, leaf
  FROM unnest($2::bytea[]) WITH ORDINALITY AS sealed(leaf, n),
    LATERAL (SELECT convert_from(leaf, 'UTF8')::jsonb AS j OFFSET 0) read`;

// Uses the primary key of each row's partition. `coalesce` keeps the planner from the index of unsealed rows, and
// `auditPlansByIndex` from every other plan. Removes what the leaf commits to, which is then only in audit_personal.
export const auditOutboxSeal = defineStatement('auditOutboxSeal')`
  UPDATE audit_outbox o SET seq = v.seq, ip_hash = NULL, agent_hash = NULL,
    detail = CASE WHEN v.hides & 1 = 0 THEN o.detail ELSE '{}' END,
    target_kind = CASE WHEN v.hides & 2 = 0 THEN o.target_kind END,
    target_id = CASE WHEN v.hides & 2 = 0 THEN o.target_id END
  FROM unnest($1::bigint[], $2::timestamptz[], $3::bigint[], $4::int2[]) AS v(id, occurred_at, seq, hides)
  WHERE o.id = v.id AND o.occurred_at = v.occurred_at AND coalesce(o.seq, -1) = -1 RETURNING 1`;

// With a place (not -1), the value can be searched for, unless it is too long for an index.
const auditPersonalInsert = defineStatement('auditPersonalInsert')`
  INSERT INTO audit_personal (event_id, field, salt, value, subject, seq)
  SELECT event_id, field, salt, value, subject,
    CASE WHEN seq >= 0 AND length(value) <= 512 THEN seq END
  FROM unnest($1::uuid[], $2::text[], $3::bytea[], $4::text[], $5::text[], $6::bigint[])
    AS v(event_id, field, salt, value, subject, seq)`;

const auditTilesWrite = defineStatement('auditTilesWrite')`
  INSERT INTO audit_tiles (origin, level, n, hashes) SELECT $1, * FROM unnest($2::smallint[], $3::bigint[], $4::bytea[])
  ON CONFLICT (origin, level, n) DO UPDATE SET hashes = EXCLUDED.hashes`;

/**
 * Events wait, the head that a killed run left is not signed, or sealing has stopped and may go on. Indexes:
 * audit_outbox_unsealed; the primary key of the checkpoints.
 */
export const sealingIsDue = defineQuestion(
  `EXISTS (SELECT FROM audit_outbox WHERE seq IS NULL)
   OR NOT EXISTS (SELECT FROM audit_log l WHERE l.closed_at IS NULL AND l.stopped_reason IS NULL
     AND EXISTS (SELECT FROM audit_checkpoints c WHERE c.origin = l.origin AND c.size = l.size))`,
);

export const readUnsealed = (sql: Sql, limit: number): Promise<OutboxRow[]> => sql.query(auditOutboxUnsealed, [limit]);

export const readUnsealedEvent = async (tx: Sql, eventId: string): Promise<OutboxRow> =>
  (await tx.query<OutboxRow>(auditOutboxEventRead, [eventId]))[0] as OutboxRow;

const uuidBytes = (uuid: string): Buffer => Buffer.from(uuid.replaceAll('-', ''), 'hex');

/** Events in the order of their sequence numbers. */
export async function insertEvents(tx: Sql, firstSeq: number, events: readonly SealedRow[]): Promise<void> {
  await tx.query(auditEventsInsert, [firstSeq, blobArray(events, ({ leaf }) => leaf)]);
}

/** Assigns sequence numbers to outbox rows. False: a row was removed, or another process sealed it. */
export async function markSealed(
  tx: Sql,
  rows: readonly Pick<SealedRow, 'row' | 'seq' | 'hidesDetail' | 'hidesTarget'>[],
): Promise<boolean> {
  const marked = await tx.query(auditOutboxSeal, [
    bigintArray(rows, ({ row }) => row.id),
    instantArray(rows, ({ row }) => row.occurred_at_micros),
    bigintArray(rows, ({ seq }) => seq),
    integerArray('int2', rows, ({ hidesDetail, hidesTarget }) => Number(hidesDetail) + 2 * Number(hidesTarget)),
  ]);
  return marked.length === rows.length;
}

/** Fields for filters of the list. Detections search for the addresses of sign-ins. */
const isSearched = (field: string, type: string): boolean =>
  field === 'actor' || field === 'client_id' || field === 'target' || (field === 'ip_hash' && type === 'user.login');

export async function insertPersonal(tx: Sql, events: readonly SealedRow[]): Promise<void> {
  const values = events.flatMap(({ row, seq, personal }) =>
    personal.map((value) => ({ ...value, eventId: row.event_id, seq: isSearched(value.field, row.type) ? seq : -1 })),
  );
  if (values.length === 0) return;
  await tx.query(auditPersonalInsert, [
    bytesArray('uuid', 16, values, ({ eventId }) => uuidBytes(eventId)),
    textArray(values, ({ field }) => field),
    bytesArray('bytea', 32, values, ({ salt }) => salt),
    textArray(values, ({ value }) => value),
    textArray(values, ({ subject }) => subject),
    bigintArray(values, ({ seq }) => seq),
  ]);
}

export async function writeTiles(tx: Sql, origin: string, tiles: readonly GrownTile[]): Promise<void> {
  await tx.query(auditTilesWrite, [
    origin,
    integerArray('int2', tiles, ({ level }) => level),
    bigintArray(tiles, ({ n }) => n),
    blobArray(tiles, ({ hashes }) => hashes),
  ]);
}
