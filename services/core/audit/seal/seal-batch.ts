import type { Fence, Ports, Tx } from '#services/core/ports.ts';
import { edgeRoot, type GrownTile, growTree, type TreeEdge } from '../log/grow-tree.ts';
import { hashLeaf } from '../log/merkle.ts';
import { growLog, lockLog, type OpenLog, planByIndex } from '../log.store.ts';
import { readEdge } from '../log-tiles.ts';
import type { HasLogSigner } from './log-signer.ts';
import { refuseKeyEvents } from './refuse-key-events.ts';
import {
  insertEvents,
  insertPersonal,
  markSealed,
  type OutboxRow,
  readUnsealed,
  type SealedRow,
  writeTiles,
} from './seal.store.ts';
import { sealableEvents } from './sealable-event.ts';

type SealedBatch =
  | { readonly kind: 'sealed'; readonly rows: number; readonly events: readonly SealedRow[] }
  /** The log or a row changed since it was read. Nothing was written; read again. */
  | { readonly kind: 'changed' }
  | { readonly kind: 'tiles_damaged' };

class ConcurrentChangeError extends Error {}

/**
 * Seals unsealed events, oldest first. Computes the whole batch before the transaction, which then writes all of it or
 * nothing. If another sealer, an erasure or `continueLog` was faster, it writes nothing.
 */
export async function sealBatch(
  ports: Pick<Ports, 'sql' | 'transact' | 'random' | 'log'> & HasLogSigner,
  log: OpenLog,
  limit: number,
  fence: Fence | undefined,
): Promise<SealedBatch> {
  const unsealed = await ports.transact(async (tx) => {
    await planByIndex(tx);
    return readUnsealed(tx, limit);
  });
  const rows = await refuseKeyEvents(ports, unsealed);
  if (rows.length === 0) return { kind: 'sealed', rows: 0, events: [] };
  const edge = await readEdge(ports.sql, log.origin, log.size);
  if (edgeRoot(edge).toString('base64') !== log.root) return { kind: 'tiles_damaged' };
  const batch = prepareBatch(ports, log, edge, rows);
  try {
    await ports.transact(async (tx) => {
      await lockLog(tx);
      await fence?.hold(tx);
      await writeBatch(tx, batch);
    });
  } catch (err) {
    if (err instanceof ConcurrentChangeError) return { kind: 'changed' };
    throw err;
  }
  return { kind: 'sealed', rows: rows.length, events: batch.events };
}

/** Everything that the transaction of a batch writes. */
type PreparedBatch = {
  readonly log: OpenLog;
  readonly rows: readonly OutboxRow[];
  readonly events: readonly SealedRow[];
  readonly tiles: readonly GrownTile[];
  /** Head of the log after the batch. */
  readonly size: number;
  readonly root: string;
};

export function prepareBatch(
  { random }: Pick<Ports, 'random'>,
  log: OpenLog,
  edge: TreeEdge,
  rows: readonly OutboxRow[],
): PreparedBatch {
  const fresh = rowsWithoutLeaf(rows);
  const events = sealableEvents(fresh, log.first_seq + log.size, (count) => random.bytes(count));
  const grown = growTree(
    edge,
    events.map(({ leaf }) => hashLeaf(leaf)),
  );
  const root = edgeRoot(grown.edge).toString('base64');
  return { log, rows, events, tiles: grown.tiles, size: grown.edge.size, root };
}

/**
 * The caller holds the lock of the log.
 * @throws ConcurrentChangeError if the log or a row changed since it was read
 */
export async function writeBatch(tx: Tx, batch: PreparedBatch): Promise<void> {
  const { log, rows, events, tiles, size, root } = batch;
  if (!(await growLog(tx, log, size, root))) throw new ConcurrentChangeError();
  if (!(await markSealed(tx, placesOf(rows, events)))) throw new ConcurrentChangeError();
  if (events.length === 0) return;
  await insertEvents(tx, log.first_seq + log.size, events);
  await insertPersonal(tx, events);
  await writeTiles(tx, log.origin, tiles);
}

/** One row for each event that has no leaf yet. */
function rowsWithoutLeaf(rows: readonly OutboxRow[]): OutboxRow[] {
  const seen = new Set<string>();
  return rows.filter(({ event_id: eventId, known_seq: knownSeq }) => {
    if (knownSeq !== null || seen.has(eventId)) return false;
    seen.add(eventId);
    return true;
  });
}

/** Of another row of a sealed event nothing is kept. */
function placesOf(
  rows: readonly OutboxRow[],
  events: readonly SealedRow[],
): Pick<SealedRow, 'row' | 'seq' | 'hidesDetail' | 'hidesTarget'>[] {
  const sealed = new Map(events.map((event) => [event.row, event]));
  const seqs = new Map(events.map(({ row, seq }) => [row.event_id, seq]));
  return rows.map((row) => {
    const own = sealed.get(row);
    if (own !== undefined) return own;
    return { row, seq: row.known_seq ?? (seqs.get(row.event_id) as number), hidesDetail: true, hidesTarget: true };
  });
}
