// For tests only: a sealed log of any size in a moment, past the sealer.
import { createPrivateKey, createPublicKey, sign } from 'node:crypto';
import { checkpointText } from '../../../domain/audit/log/checkpoint.ts';
import { edgeRoot, emptyEdge, growTree, type TreeEdge } from '../../../domain/audit/log/grow-tree.ts';
import { type LeafEvent, leafOf } from '../../../domain/audit/log/leaf.ts';
import { hashLeaf } from '../../../domain/audit/log/merkle.ts';
import { type NoteSigner, noteKey, signNote } from '../../../domain/audit/log/note.ts';
import type { LogMark, Sql } from '../../../domain/ports.ts';
import { defineStatement } from '../../define/statement.ts';

/** An Ed25519 signer of notes whose seed is 32 times this byte. */
export function noteSigner(name: string, seedByte: number): NoteSigner {
  const prefix = Buffer.from('302e020100300506032b657004220420', 'hex');
  const der = Buffer.concat([prefix, Buffer.alloc(32, seedByte)]);
  const key = createPrivateKey({ key: der, format: 'der', type: 'pkcs8' });
  const publicBytes = createPublicKey(key).export({ format: 'der', type: 'spki' }).subarray(-32);
  return { key: noteKey(name, publicBytes), sign: (message) => sign(null, message, key) };
}

const uuidOf = (seq: number): string => `00000000-0000-7000-8000-${String(seq).padStart(12, '0')}`;
const timeOf = (seq: number): string => new Date(Date.UTC(2026, 0, 1) + seq * 1_000).toISOString().replace('Z', '000Z');

/** Event `seq`: one a second from 2026 on; every third a refused login with a personal field, the rest of tokens. */
export function plainEvent(seq: number): LeafEvent {
  const isLogin = seq % 3 === 0;
  return {
    seq,
    eventId: uuidOf(seq),
    type: isLogin ? 'user.login' : 'token.issued',
    outcome: isLogin ? 'refused' : 'ok',
    actorKind: isLogin ? 'anonymous' : 'client',
    actorId: isLogin ? null : 'client-1',
    targetKind: isLogin ? null : 'token',
    targetId: isLogin ? null : uuidOf(seq),
    clientId: isLogin ? null : 'client-1',
    detail: isLogin ? { factor: 'password' } : { grant: 'client_credentials', n: seq },
    traceId: seq.toString(16).padStart(32, '1'),
    occurredAt: timeOf(seq),
    sealedAt: timeOf(seq + 2),
    personal: isLogin ? [{ field: 'ip_hash', salt: Buffer.alloc(32, seq % 251), value: `1.${seq}` }] : [],
  };
}

const insertEvents = defineStatement(
  'testInsertEvents',
  `INSERT INTO audit_events (seq, event_id, type, outcome, actor_kind, actor_id, target_kind, target_id, client_id, detail, trace_id,
     occurred_at, sealed_at, leaf)
   SELECT * FROM unnest($1::bigint[], $2::uuid[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[], $9::text[],
     $10::jsonb[], $11::text[], $12::timestamptz[], $13::timestamptz[], $14::bytea[])`,
);
const insertPersonal = defineStatement(
  'testInsertPersonal',
  `INSERT INTO audit_personal (event_id, field, salt, value)
   SELECT * FROM unnest($1::uuid[], $2::text[], $3::bytea[], $4::text[])`,
);
const upsertTile = defineStatement(
  'testUpsertTile',
  `INSERT INTO audit_tiles (origin, level, n, hashes) VALUES ($1, $2, $3, $4)
   ON CONFLICT (origin, level, n) DO UPDATE SET hashes = EXCLUDED.hashes`,
);
const insertCheckpoint = defineStatement(
  'testInsertCheckpoint',
  `INSERT INTO audit_checkpoints (origin, size, root, note) VALUES ($1, $2, $3, $4)`,
);
const upsertLog = defineStatement(
  'testUpsertLog',
  `INSERT INTO audit_log (origin, first_seq, size, root, started_at, previous, previous_size, previous_root)
   VALUES ($1, $2, $3, $4, to_timestamp($5), $6, $7, decode($8, 'base64'))
   ON CONFLICT (origin) DO UPDATE SET size = EXCLUDED.size, root = EXCLUDED.root`,
);

export type BulkLog = { readonly origin: string; readonly firstSeq: number; readonly edge: TreeEdge };

export type BulkOptions = {
  readonly signer: NoteSigner;
  /** Leaves to add; a checkpoint after each number of them. */
  readonly batches: readonly number[];
  readonly event?: (seq: number) => LeafEvent;
  readonly previous?: LogMark;
};

/** Adds leaves to a log whose origin is the signer's name, with tiles and a checkpoint after each batch. */
export async function sealInBulk(
  sql: Sql,
  { signer, batches, event = plainEvent, previous }: BulkOptions,
  log: BulkLog = { origin: signer.key.name, firstSeq: 0, edge: emptyEdge },
): Promise<BulkLog> {
  const { origin, firstSeq } = log;
  let { edge } = log;
  for (const count of batches) {
    const events = Array.from({ length: count }, (_, i) => event(firstSeq + edge.size + i));
    const leaves = events.map(leafOf);
    for (let at = 0; at < count; at += 5_000)
      await writeEvents(sql, events.slice(at, at + 5_000), leaves.slice(at, at + 5_000));
    const grown = growTree(edge, leaves.map(hashLeaf));
    edge = grown.edge;
    for (const { level, n, hashes } of grown.tiles) await sql.query(upsertTile, [origin, level, n, hashes]);
    const root = edgeRoot(edge);
    await sql.query(upsertLog, [origin, firstSeq, edge.size, root, 1_767_225_600 + firstSeq, ...columnsOf(previous)]);
    const note = signNote(checkpointText({ origin, size: edge.size, root }), [signer]);
    await sql.query(insertCheckpoint, [origin, edge.size, root, note]);
  }
  return { origin, firstSeq, edge };
}

const columnsOf = (mark?: LogMark): unknown[] => [mark?.origin ?? null, mark?.size ?? null, mark?.root ?? null];

async function writeEvents(sql: Sql, events: readonly LeafEvent[], leaves: readonly Buffer[]): Promise<void> {
  const column = (read: (event: LeafEvent) => unknown): unknown[] => events.map(read);
  await sql.query(insertEvents, [
    column((event) => event.seq),
    column((event) => event.eventId),
    column((event) => event.type),
    column((event) => event.outcome),
    column((event) => event.actorKind),
    column((event) => event.actorId),
    column((event) => event.targetKind),
    column((event) => event.targetId),
    column((event) => event.clientId),
    column((event) => JSON.stringify(event.detail)),
    column((event) => event.traceId),
    column((event) => event.occurredAt),
    column((event) => event.sealedAt),
    leaves,
  ]);
  const personal = events.flatMap((event) => event.personal.map((one) => ({ ...one, id: event.eventId })));
  await sql.query(insertPersonal, [
    personal.map(({ id }) => id),
    personal.map(({ field }) => field),
    personal.map(({ salt }) => salt),
    personal.map(({ value }) => value),
  ]);
}

const closeLog = defineStatement(
  'testCloseLog',
  `UPDATE audit_log SET closed_at = clock_timestamp() WHERE origin = $1
   RETURNING origin, size, encode(root, 'base64') AS root`,
);

/** Closes a log and starts the next one where it ends, with the leaf that says so; nothing of it was lost. */
export async function continueInBulk(
  sql: Sql,
  closed: BulkLog,
  options: Omit<BulkOptions, 'previous'>,
): Promise<BulkLog> {
  const [held] = (await sql.query<LogMark>(closeLog, [closed.origin])) as [LogMark];
  const next = { origin: options.signer.key.name, firstSeq: closed.firstSeq + closed.edge.size, edge: emptyEdge };
  const { event: eventOf = plainEvent } = options;
  const detail = { held: { ...held }, lost: { ...held }, reason: 'test' };
  const event = (seq: number): LeafEvent =>
    seq === next.firstSeq ? { ...eventOf(seq), type: 'audit.log_continued', detail } : eventOf(seq);
  return sealInBulk(sql, { ...options, event, previous: held }, next);
}
