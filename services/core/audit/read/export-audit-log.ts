import type { Ports } from '#services/core/ports.ts';
import { auditLogDamaged, auditLogEmpty } from '../errors.ts';
import { HASH_BYTES } from '../log/merkle.ts';
import { vkeyOf } from '../log/note.ts';
import { joinNotes } from '../log/rotation.ts';
import { entryBundle, TILE_WIDTH, tilePath, tileWidth } from '../log/tiles.ts';
import {
  type CheckpointRow,
  type LogRow,
  readCheckpointsAfter,
  readLeaves,
  readLogs,
  readNewestCheckpoint,
} from '../log-reader.store.ts';
import { readPersonalOfEvents, readSeqRange, readTilesAfter } from './export.store.ts';
import type { HasAuditLogKeys, HasKeyRotations } from './read-log.ts';

export type ExportInput = {
  /** Both inclusive. The export always contains the whole tree. */
  readonly fromSeq: number;
  readonly toSeq: number;
  /** Whether to include the personal values that are not erased. */
  readonly personal: boolean;
};

/** Bytes to append to a file of the export. The parts of one file come one after the other. */
type ExportPart = { readonly path: string; readonly bytes: Uint8Array };

const TILES_PAGE = 256;
const CHECKPOINTS_PAGE = 1_000;
/** Checkpoints in an export, spread over the log. A verifier uses them to narrow down which events were changed. */
const CHECKPOINTS_MOST = 1_000;

/** `seq` of the first and the last event of a period; null if there is none. RFC 3339, both inclusive. */
export const seqRangeOfTime = (
  { sql }: Pick<Ports, 'sql'>,
  from: string,
  to: string,
): Promise<{ readonly first: number; readonly last: number } | null> => readSeqRange(sql, from, to);

/**
 * Exports the log as files that `tools/verify-audit-log.mjs` verifies offline: entries, tiles, checkpoints, keys and
 * personal values. Earlier logs are below `origins/<number>/`. Omits bundles without an event of the range.
 * @throws auditLogEmpty (404) before the first checkpoint; auditLogDamaged (500) if a row or tile is missing
 */
export async function* exportAuditLog(
  ports: Pick<Ports, 'sql'> & HasAuditLogKeys & HasKeyRotations,
  input: ExportInput,
): AsyncGenerator<ExportPart> {
  const logs = await readLogs(ports.sql);
  const rotations = await ports.auditKeyRotations();
  if (rotations.length > 0) yield { path: 'key-rotations', bytes: Buffer.from(joinNotes(rotations)) };
  for (const log of logs) {
    const isCurrent = log === logs.at(-1);
    const checkpoint = await readNewestCheckpoint(ports.sql, log.origin);
    if (checkpoint === null && isCurrent) throw auditLogEmpty();
    if (checkpoint === null) continue;
    const isWanted = log.first_seq <= input.toSeq && log.first_seq + checkpoint.size > input.fromSeq;
    if (!isCurrent && !isWanted) continue;
    const prefix = isCurrent ? '' : `origins/${log.number}/`;
    for await (const { path, bytes } of exportLog(ports, log, checkpoint, input)) yield { path: prefix + path, bytes };
  }
}

async function* exportLog(
  ports: Pick<Ports, 'sql'> & HasAuditLogKeys,
  log: LogRow,
  checkpoint: CheckpointRow,
  input: ExportInput,
): AsyncGenerator<ExportPart> {
  const { size } = checkpoint;
  const keys = await ports.auditLogKeys(log.origin);
  yield { path: 'vkey', bytes: Buffer.from(keys.map((key) => `${vkeyOf(key)}\n`).join('')) };
  yield { path: 'checkpoint', bytes: Buffer.from(checkpoint.note) };
  yield* exportCheckpoints(ports, log.origin, size);
  yield* exportTiles(ports, log.origin, size);
  yield* exportEntries(ports, log, size, input);
  if (input.personal) yield* exportPersonal(ports, log, size, input);
}

async function* exportCheckpoints(
  { sql }: Pick<Ports, 'sql'>,
  origin: string,
  size: number,
): AsyncGenerator<ExportPart> {
  const apart = Math.floor(size / CHECKPOINTS_MOST);
  let [last, twins] = [-1, 0];
  let after: Pick<CheckpointRow, 'size' | 'root'> = { size: -1, root: Buffer.alloc(0) };
  for (;;) {
    const page = await readCheckpointsAfter(sql, origin, after, CHECKPOINTS_PAGE);
    for (const { size: at, note } of page) {
      // Two checkpoints of one size prove a fork, so both are exported.
      twins = at === last ? twins + 1 : 0;
      if (twins === 0 && at < last + apart) continue;
      last = at;
      yield { path: `checkpoints/${at}${twins === 0 ? '' : `.${twins}`}`, bytes: Buffer.from(note) };
    }
    const end = page.at(-1);
    if (end === undefined || page.length < CHECKPOINTS_PAGE) return;
    after = end;
  }
}

async function* exportTiles({ sql }: Pick<Ports, 'sql'>, origin: string, size: number): AsyncGenerator<ExportPart> {
  for (let after = { level: -1, n: -1 }; ; ) {
    const page = await readTilesAfter(sql, origin, after, TILES_PAGE);
    for (const { level, n, hashes } of page) {
      const width = tileWidth(level, n, size);
      if (width === 0) continue;
      yield { path: tilePath({ level, n, width }), bytes: hashes.subarray(0, width * HASH_BYTES) };
    }
    const end = page.at(-1);
    if (end === undefined || page.length < TILES_PAGE) return;
    after = end;
  }
}

/** Number and width of each bundle that contains an event of the range. */
function* wantedBundles(
  { first_seq: firstSeq }: LogRow,
  size: number,
  { fromSeq, toSeq }: ExportInput,
): Generator<{ readonly n: number; readonly width: number; readonly first: number }> {
  const from = Math.max(0, fromSeq - firstSeq);
  const to = Math.min(size - 1, toSeq - firstSeq);
  for (let n = Math.floor(from / TILE_WIDTH); n * TILE_WIDTH <= to; n += 1)
    yield { n, width: tileWidth(0, n, size), first: firstSeq + n * TILE_WIDTH };
}

async function* exportEntries(
  { sql }: Pick<Ports, 'sql'>,
  log: LogRow,
  size: number,
  input: ExportInput,
): AsyncGenerator<ExportPart> {
  for (const { n, width, first } of wantedBundles(log, size, input)) {
    const rows = await readLeaves(sql, first, first + width);
    const missing = rows.findIndex(({ seq }, at) => seq !== first + at);
    if (rows.length !== width)
      throw auditLogDamaged({ detail: `Event ${first + (missing < 0 ? rows.length : missing)} is missing.` });
    yield { path: tilePath({ level: 'entries', n, width }), bytes: entryBundle(rows.map(({ leaf }) => leaf)) };
  }
}

async function* exportPersonal(
  { sql }: Pick<Ports, 'sql'>,
  log: LogRow,
  size: number,
  input: ExportInput,
): AsyncGenerator<ExportPart> {
  for (const { width, first } of wantedBundles(log, size, input)) {
    const from = Math.max(first, input.fromSeq);
    const values = await readPersonalOfEvents(sql, from, Math.min(first + width, input.toSeq + 1));
    const lines = values.map(
      ({ event_id: eventId, ...value }) => `${JSON.stringify({ event_id: eventId, ...value })}\n`,
    );
    if (lines.length > 0) yield { path: 'personal.jsonl', bytes: Buffer.from(lines.join('')) };
  }
}
