import type { Sql } from '#services/domain/ports.ts';
import { parseCheckpoint } from '../log/checkpoint.ts';
import { HASH_BYTES, hashLeaf } from '../log/merkle.ts';
import { type NoteKey, openNote } from '../log/note.ts';
import { TILE_WIDTH, tilePath } from '../log/tiles.ts';
import { type LogRow, readLogs, readTiles } from '../log-reader.store.ts';
import { readCheckpointsWithin, readLastCheckpointWithin, readTrailPage, readTrailPersonal } from './trail.store.ts';
import { type DifferingPlace, nameRows, type TrailFindings } from './trail-findings.ts';
import { rowSaysItsLeaf } from './trail-row.ts';
import { type TrailLeaf, TrailTree } from './trail-tree.ts';

/** Whole tiles: a page of rows is one short statement. */
const PAGE = 8 * TILE_WIDTH;
const CHECKPOINTS_OF_PAGE = 16;

type Head = { readonly size: number; readonly root: Buffer };

type Check = {
  readonly sql: Sql;
  readonly log: LogRow;
  readonly keys: readonly NoteKey[];
  readonly findings: TrailFindings;
  readonly tree: TrailTree;
  /** Places that differ since the last signed root. */
  pending: DifferingPlace[];
  /** Places whose row is wrong. */
  readonly bad: DifferingPlace[];
  /** Rows whose columns contradict their own sealed bytes. */
  readonly contradicting: Set<number>;
  lastGood: number;
  /** No root can be compared any more. */
  isLost: boolean;
};

/** Reads one log from its first row to its head, a page at a time, and adds what is wrong with it. */
export async function checkLogTrail(
  sql: Sql,
  log: LogRow,
  keys: readonly NoteKey[],
  findings: TrailFindings,
): Promise<void> {
  const check: Check = {
    sql,
    log,
    keys,
    findings,
    tree: new TrailTree(),
    pending: [],
    bad: [],
    contradicting: new Set(),
    lastGood: 0,
    isLost: false,
  };
  for (let from = 0; from < log.size; from += PAGE) await checkPage(check, from, Math.min(from + PAGE, log.size));
  await judge(check, { size: log.size, root: log.root }, check.tree, []);
  for (const { level, sides } of check.tree.open()) await compareOpenTile(check, level, sides);
  check.bad.push(...check.pending);
  nameRows(check.bad, check.contradicting, findings);
  const beyond = await readLastCheckpointWithin(sql, log.origin, log.size, Number.MAX_SAFE_INTEGER);
  if (beyond === null) return;
  // What was sealed meanwhile was signed beyond the head that was read, and is there now.
  const size = (await readLogs(sql)).find(({ origin }) => origin === log.origin)?.size ?? 0;
  if (beyond.size > size)
    findings.add('log_truncated', null, `${log.origin} was signed with ${beyond.size} events and has ${size}`);
}

async function checkPage(check: Check, from: number, to: number): Promise<void> {
  const leaves = await readPage(check, from, to);
  let at = from;
  for (const signed of spread(await readCheckpointsWithin(check.sql, check.log.origin, from, to))) {
    if (!isGenuine(check, signed) || signed.size === at) continue;
    const before = check.tree.fork();
    const added = leaves.slice(at - from, signed.size - from);
    await grow(check, added);
    await judge(check, signed, before, added, at);
    at = signed.size;
  }
  await grow(check, leaves.slice(at - from));
}

/** The last and some before it: a root costs as much as hundreds of rows, and the last one covers what it covers. */
function spread<T>(signed: readonly T[]): T[] {
  const step = Math.ceil(signed.length / CHECKPOINTS_OF_PAGE);
  return signed.filter((_, at) => (signed.length - 1 - at) % step === 0);
}

/** The leaves of a page by row and by tile; rows are compared with their own sealed bytes on the way. */
async function readPage(check: Check, from: number, to: number): Promise<TrailLeaf[]> {
  const { sql, log, findings } = check;
  const rows = await readTrailPage(sql, log.firstSeq + from, log.firstSeq + to);
  const personal = await readTrailPersonal(
    sql,
    rows.map(({ eventId }) => eventId),
  );
  findings.checked += rows.length;
  const bySeq = new Map(rows.map((row) => [row.seq, row]));
  const numbers = Array.from({ length: Math.ceil((to - from) / TILE_WIDTH) }, (_, at) => from / TILE_WIDTH + at);
  const tiles = await readTiles(
    sql,
    log.origin,
    numbers.map((n) => ({ level: 0, n })),
  );
  const byNumber = new Map(tiles.map((tile) => [tile.n, tile.hashes]));
  return Array.from({ length: to - from }, (_, at) => {
    const index = from + at;
    const seq = log.firstSeq + index;
    const row = bySeq.get(seq);
    if (row === undefined) findings.missing(seq);
    else if (!rowSaysItsLeaf(row, personal.get(row.eventId) ?? [])) check.contradicting.add(seq);
    const byRow = row === undefined ? null : hashLeaf(row.leaf);
    const byTile = hashIn(byNumber.get(Math.floor(index / TILE_WIDTH)), index % TILE_WIDTH);
    if (!(byRow && byTile && byRow.equals(byTile)))
      check.pending.push({ seq, row: byRow?.toString('hex') ?? null, tile: byTile?.toString('hex') ?? null });
    return { byRow, byTile };
  });
}

function hashIn(tile: Buffer | undefined, at: number): Buffer | null {
  const hash = tile?.subarray(at * HASH_BYTES, (at + 1) * HASH_BYTES);
  return hash?.length === HASH_BYTES ? hash : null;
}

async function grow(check: Check, leaves: readonly TrailLeaf[]): Promise<void> {
  if (leaves.length === 0) return;
  const { rows, tiles } = check.tree.add(leaves);
  const full = [...new Map([...rows, ...tiles].map((tile) => [`${tile.level}/${tile.n}`, tile])).values()];
  if (full.length === 0) return;
  const stored = await readTiles(check.sql, check.log.origin, full);
  for (const { level, n } of full) {
    const sides = [...rows, ...tiles].filter((tile) => tile.level === level && tile.n === n);
    const held = stored.find((tile) => tile.level === level && tile.n === n)?.hashes;
    if (!sides.some(({ hashes }) => held?.equals(hashes))) damaged(check, level, n, TILE_WIDTH);
  }
}

async function compareOpenTile(check: Check, level: number, sides: readonly Uint8Array[]): Promise<void> {
  const width = (sides[0]?.length ?? 0) / HASH_BYTES;
  const n = Math.floor(check.log.size / TILE_WIDTH ** level / TILE_WIDTH);
  const [tile] = await readTiles(check.sql, check.log.origin, [{ level, n }]);
  const held = tile?.hashes.subarray(0, width * HASH_BYTES);
  if (!sides.some((hashes) => held?.equals(hashes))) damaged(check, level, n, width);
}

function damaged({ log, findings }: Check, level: number, n: number, width: number): void {
  const seq = level === 0 ? log.firstSeq + n * TILE_WIDTH : null;
  findings.add('tile_damaged', seq, `${log.origin}: ${tilePath({ level, n, width })} is not what its leaves give`);
}

/**
 * Both trees against a root that was signed, or that the log's row has: says which side the differing places are
 * wrong on, and goes on with the other.
 */
async function judge(
  check: Check,
  head: Head,
  before: TrailTree,
  leaves: readonly TrailLeaf[],
  from = 0,
): Promise<void> {
  const { log, tree } = check;
  if (check.isLost) return;
  const isCovered = ({ seq }: DifferingPlace): boolean => seq < log.firstSeq + head.size;
  const covered = check.pending.filter(isCovered);
  const side = tree.judge(head.root);
  if (side === 'rows') {
    for (const n of new Set(covered.map(({ seq }) => Math.floor((seq - log.firstSeq) / TILE_WIDTH))))
      damaged(check, 0, n, Math.min(TILE_WIDTH, log.size - n * TILE_WIDTH));
    tree.settle('rows');
  } else check.bad.push(...covered);
  if (side === 'tiles') tree.settle('tiles');
  if (side === 'neither') {
    await boundMismatch(check, head, before, leaves, from);
    check.isLost = true;
  } else check.lastGood = head.size;
  check.pending = check.pending.filter((place) => !isCovered(place));
}

/** Rows and tiles were made to fit each other: of the checkpoints in between, the first that fails bounds the place. */
async function boundMismatch(
  { sql, log, findings, lastGood }: Check,
  head: Head,
  before: TrailTree,
  leaves: readonly TrailLeaf[],
  from: number,
): Promise<void> {
  let good = lastGood;
  let bad = head.size;
  let at = from;
  for (const { size, root } of await readCheckpointsWithin(sql, log.origin, from, from + leaves.length)) {
    before.add(leaves.slice(at - from, size - from));
    at = size;
    if (before.judge(root) === 'neither') {
      bad = size;
      break;
    }
    good = size;
  }
  const [first, last] = [log.firstSeq + good, log.firstSeq + bad - 1];
  findings.add(
    'root_mismatch',
    first,
    `something in events ${first} to ${last} was changed, added or removed, and the tree made to fit: it does not have the root that was signed`,
  );
}

function isGenuine({ log, keys, findings }: Check, row: Head & { readonly note: string }): boolean {
  try {
    const { origin, size, root } = parseCheckpoint(openNote(row.note, keys).text);
    if (origin === log.origin && size === row.size && root.equals(row.root)) return true;
  } catch {
    // No note, no signature of the log's key, or a wrong one.
  }
  findings.add(
    'checkpoint_forged',
    null,
    `the checkpoint of ${log.origin} at ${row.size} was not signed by the log's key`,
  );
  return false;
}
