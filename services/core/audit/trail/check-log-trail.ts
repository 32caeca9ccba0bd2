import type { Sql } from '#services/core/ports.ts';
import { HASH_BYTES, hashLeaf } from '../log/merkle.ts';
import { type NoteKey, openNote, parseCheckpoint } from '../log/note.ts';
import { TILE_WIDTH, tilePath } from '../log/tiles.ts';
import { type LogRow, readLogs, readTiles } from '../log-reader.store.ts';
import { readCheckpointsWithin, readLastCheckpointWithin, readTrailPage, readTrailPersonal } from './trail.store.ts';
import { addRowFaults, type DifferingLeaf, type TrailFindings } from './trail-findings.ts';
import { rowMatchesLeaf } from './trail-row.ts';
import { type TrailLeaf, TrailTree } from './trail-tree.ts';

/** Rows of a page: whole tiles, few enough that a worker that seals and sends meanwhile waits 20 ms for its turn, not 100. */
const PAGE = 2 * TILE_WIDTH;
const CHECKPOINTS_PER_PAGE = 4;

type Head = { readonly size: number; readonly root: Buffer };

type Check = {
  readonly sql: Sql;
  readonly log: LogRow;
  readonly keys: readonly NoteKey[];
  readonly findings: TrailFindings;
  readonly tree: TrailTree;
  /** Leaves after the last verified root whose row and tile differ: either may be wrong. */
  pending: DifferingLeaf[];
  readonly wrongRows: DifferingLeaf[];
  /** `seq` of rows whose columns contradict their own sealed bytes. */
  readonly contradicting: Set<number>;
  /** Size of the last root that matched. */
  verifiedSize: number;
  /** A root did not match, so later roots cannot match either. */
  hasMismatch: boolean;
};

/** Reads one log page by page, from its first row to its head, and adds every fault to `findings`. */
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
    wrongRows: [],
    contradicting: new Set(),
    verifiedSize: 0,
    hasMismatch: false,
  };
  for (let from = 0; from < log.size; from += PAGE) await checkPage(check, from, Math.min(from + PAGE, log.size));
  await verifyRoot(check, { size: log.size, root: log.root }, check.tree, []);
  for (const { level, sides } of check.tree.unfinishedTiles()) await compareUnfinishedTile(check, level, sides);
  check.wrongRows.push(...check.pending);
  addRowFaults(check.wrongRows, check.contradicting, findings);
  const beyond = await readLastCheckpointWithin(sql, log.origin, log.size, Number.MAX_SAFE_INTEGER);
  if (beyond === null) return;
  // A sealer may have signed a larger head since the log was read. Then the log is larger now, too.
  const size = (await readLogs(sql)).find(({ origin }) => origin === log.origin)?.size ?? 0;
  if (beyond.size > size)
    findings.add('log_truncated', null, `${log.origin} was signed with ${beyond.size} events and has ${size}`);
}

async function checkPage(check: Check, from: number, to: number): Promise<void> {
  const leaves = await readPage(check, from, to);
  let at = from;
  for (const signed of sample(await readCheckpointsWithin(check.sql, check.log.origin, from, to))) {
    if (!isGenuine(check, signed) || signed.size === at) continue;
    const before = check.tree.fork();
    const added = leaves.slice(at - from, signed.size - from);
    await grow(check, added);
    await verifyRoot(check, signed, before, added, at);
    at = signed.size;
  }
  await grow(check, leaves.slice(at - from));
}

/** The last checkpoint and some before it: computing a root costs as much as reading hundreds of rows. */
function sample<T>(signed: readonly T[]): T[] {
  const step = Math.ceil(signed.length / CHECKPOINTS_PER_PAGE);
  return signed.filter((_, at) => (signed.length - 1 - at) % step === 0);
}

/** Reads the leaf hashes of a page from the rows and from the tiles. Compares each row with its own sealed bytes. */
async function readPage(check: Check, from: number, to: number): Promise<TrailLeaf[]> {
  const { sql, log, findings } = check;
  const rows = await readTrailPage(sql, log.first_seq + from, log.first_seq + to);
  const personal = await readTrailPersonal(
    sql,
    rows.map((row) => row.event_id),
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
    const seq = log.first_seq + index;
    const row = bySeq.get(seq);
    if (row === undefined) findings.missing(seq);
    else if (!rowMatchesLeaf(row, personal.get(row.event_id) ?? [])) check.contradicting.add(seq);
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
    const storedHashes = stored.find((tile) => tile.level === level && tile.n === n)?.hashes;
    if (!sides.some(({ hashes }) => storedHashes?.equals(hashes))) addDamagedTile(check, level, n, TILE_WIDTH);
  }
}

async function compareUnfinishedTile(check: Check, level: number, sides: readonly Uint8Array[]): Promise<void> {
  const width = (sides[0]?.length ?? 0) / HASH_BYTES;
  const n = Math.floor(check.log.size / TILE_WIDTH ** level / TILE_WIDTH);
  const [tile] = await readTiles(check.sql, check.log.origin, [{ level, n }]);
  const storedHashes = tile?.hashes.subarray(0, width * HASH_BYTES);
  if (!sides.some((hashes) => storedHashes?.equals(hashes))) addDamagedTile(check, level, n, width);
}

function addDamagedTile({ log, findings }: Check, level: number, n: number, width: number): void {
  const seq = level === 0 ? log.first_seq + n * TILE_WIDTH : null;
  findings.add(
    'tile_damaged',
    seq,
    `${log.origin}: ${tilePath({ level, n, width })} does not match the leaves below it`,
  );
}

/**
 * Compares a root, signed or of the log's row, with the tree over the rows and the tree over the tiles. The tree that
 * matches shows whether rows or tiles are wrong; the check continues with that tree.
 */
async function verifyRoot(
  check: Check,
  head: Head,
  before: TrailTree,
  leaves: readonly TrailLeaf[],
  from = 0,
): Promise<void> {
  const { log, tree } = check;
  if (check.hasMismatch) return;
  const isCovered = ({ seq }: DifferingLeaf): boolean => seq < log.first_seq + head.size;
  const covered = check.pending.filter(isCovered);
  const side = tree.sideWithRoot(head.root);
  if (side === 'rows') {
    for (const n of new Set(covered.map(({ seq }) => Math.floor((seq - log.first_seq) / TILE_WIDTH))))
      addDamagedTile(check, 0, n, Math.min(TILE_WIDTH, log.size - n * TILE_WIDTH));
    tree.keepOnly('rows');
  } else check.wrongRows.push(...covered);
  if (side === 'tiles') tree.keepOnly('tiles');
  if (side === 'neither') {
    await boundMismatch(check, head, before, leaves, from);
    check.hasMismatch = true;
  } else check.verifiedSize = head.size;
  check.pending = check.pending.filter((leaf) => !isCovered(leaf));
}

/** Neither rows nor tiles have the signed root. The checkpoints since the last match narrow down the changed events. */
async function boundMismatch(
  { sql, log, findings, verifiedSize }: Check,
  head: Head,
  before: TrailTree,
  leaves: readonly TrailLeaf[],
  from: number,
): Promise<void> {
  let matching = verifiedSize;
  let failing = head.size;
  let at = from;
  for (const { size, root } of await readCheckpointsWithin(sql, log.origin, from, from + leaves.length)) {
    before.add(leaves.slice(at - from, size - from));
    at = size;
    if (before.sideWithRoot(root) === 'neither') {
      failing = size;
      break;
    }
    matching = size;
  }
  const [first, last] = [log.first_seq + matching, log.first_seq + failing - 1];
  findings.add(
    'root_mismatch',
    first,
    `one or more of the events ${first} to ${last} were changed, added or removed, and the tree was rebuilt: its root is not the signed one`,
  );
}

function isGenuine({ log, keys, findings }: Check, row: Head & { readonly note: string }): boolean {
  try {
    const { origin, size, root } = parseCheckpoint(openNote(row.note, keys).text);
    if (origin === log.origin && size === row.size && root.equals(row.root)) return true;
  } catch {
    // Not a note, or without a valid signature of the log's key.
  }
  findings.add(
    'checkpoint_forged',
    null,
    `the checkpoint of ${log.origin} at ${row.size} was not signed by the log's key`,
  );
  return false;
}
