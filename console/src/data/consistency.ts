import { type Head, hashNode } from './inclusion.ts';
import { type Bytes, isEqual, ProofError } from './notes.ts';

/** Hashes in a full tile, and the levels of the tree that one level of tiles covers (c2sp.org/tlog-tiles). */
const TILE_WIDTH = 256;
const TILE_LEVELS = 8;
const HASH_BYTES = 32;

/** The first hashes of a tile, one after the other. */
export type ReadTile = (tile: { readonly level: number; readonly n: number; readonly width: number }) => Promise<Bytes>;

/** `tile/1/x001/234/067.p/8` */
export function tilePath({ level, n, width }: Parameters<ReadTile>[0]): string {
  const groups = [String(n % 1_000).padStart(3, '0')];
  for (let rest = Math.floor(n / 1_000); rest > 0; rest = Math.floor(rest / 1_000))
    groups.unshift(`x${String(rest % 1_000).padStart(3, '0')}`);
  return `tile/${level}/${groups.join('/')}${width === TILE_WIDTH ? '' : `.p/${width}`}`;
}

/** A complete subtree: 2^level leaves from `at` on. */
type Subtree = { readonly level: number; readonly at: number };

/** The complete subtrees that lead from a tree of `from` leaves to one of `to`, in their order. */
function subtreesBetween(from: number, to: number): Subtree[] {
  const found: Subtree[] = [];
  for (let at = from; at < to; ) {
    let level = 0;
    while (at % 2 ** (level + 1) === 0 && at + 2 ** (level + 1) <= to) level += 1;
    found.push({ level, at });
    at += 2 ** level;
  }
  return found;
}

/** The hash of a complete subtree, out of the tile of a log of `size` leaves that holds it. */
async function hashOf({ level, at }: Subtree, size: number, readTile: ReadTile): Promise<Bytes> {
  const tileLevel = Math.floor(level / TILE_LEVELS);
  const first = at / 2 ** (tileLevel * TILE_LEVELS);
  const n = Math.floor(first / TILE_WIDTH);
  const width = Math.min(TILE_WIDTH, Math.floor(size / TILE_WIDTH ** tileLevel) - n * TILE_WIDTH);
  const tile = await readTile({ level: tileLevel, n, width });
  if (tile.length !== width * HASH_BYTES) throw new ProofError('proof_malformed');
  const count = 2 ** (level % TILE_LEVELS);
  const begin = first % TILE_WIDTH;
  let row = Array.from({ length: count }, (_, each) =>
    tile.slice((begin + each) * HASH_BYTES, (begin + each + 1) * HASH_BYTES),
  );
  while (row.length > 1) {
    const next: Bytes[] = [];
    for (let each = 0; each < row.length; each += 2)
      next.push(await hashNode(row[each] as Bytes, row[each + 1] as Bytes));
    row = next;
  }
  return row[0] as Bytes;
}

type Node = Subtree & { readonly hash: Bytes };

/** The root over complete subtrees, whose sizes fall from left to right. */
async function rootOver(nodes: readonly Node[]): Promise<Bytes> {
  const [last, ...before] = [...nodes].reverse();
  let root = (last as Node).hash;
  for (const { hash } of before) root = await hashNode(hash, root);
  return root;
}

/**
 * Verifies that a later head of a log continues an earlier one: the same hashes lead to both roots, as in a proof of
 * consistency (RFC 9162 §2.1.4), which is made here of the log's tiles. So the tiles need not be trusted.
 * @throws ProofError `wrong_log` if the heads are of different logs or the later one is smaller, `wrong_root` if it does
 *   not continue the earlier one; what `readTile` throws
 */
export async function verifyConsistency(earlier: Head, later: Head, readTile: ReadTile): Promise<void> {
  if (earlier.origin !== later.origin || earlier.size > later.size) throw new ProofError('wrong_log');
  if (earlier.size === 0) return;
  const nodes: Node[] = [];
  const add = async (subtree: Subtree): Promise<void> => {
    let node: Node = { ...subtree, hash: await hashOf(subtree, later.size, readTile) };
    for (let left = nodes.at(-1); left?.level === node.level; left = nodes.at(-1)) {
      nodes.pop();
      node = { level: node.level + 1, at: left.at, hash: await hashNode(left.hash, node.hash) };
    }
    nodes.push(node);
  };
  for (const subtree of subtreesBetween(0, earlier.size)) await add(subtree);
  if (!isEqual(await rootOver(nodes), earlier.root)) throw new ProofError('wrong_root');
  for (const subtree of subtreesBetween(earlier.size, later.size)) await add(subtree);
  if (!isEqual(await rootOver(nodes), later.root)) throw new ProofError('wrong_root');
}
