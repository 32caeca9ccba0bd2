import { foldHashes, HASH_BYTES } from './merkle.ts';
import { rootOfTile, TILE_WIDTH } from './tiles.ts';

/** The right edge of a tree: the hashes in the unfinished tile of each level, lowest first. Enough to add leaves. */
export type TreeEdge = { readonly size: number; readonly levels: readonly Uint8Array[] };

/** A tile that the new leaves changed, with its whole content. Its first `kept` bytes existed before. */
export type GrownTile = { readonly level: number; readonly n: number; readonly kept: number; readonly hashes: Buffer };

export const emptyEdge: TreeEdge = { size: 0, levels: [] };

/** Level, number and width of each unfinished tile: the tiles of the tree's `TreeEdge`. */
export function edgeTiles(size: number): { readonly level: number; readonly n: number; readonly width: number }[] {
  const tiles: { level: number; n: number; width: number }[] = [];
  for (let level = 0, hashes = size; hashes > 0; level += 1, hashes = Math.floor(hashes / TILE_WIDTH))
    if (hashes % TILE_WIDTH > 0) tiles.push({ level, n: Math.floor(hashes / TILE_WIDTH), width: hashes % TILE_WIDTH });
  return tiles;
}

/**
 * Appends leaves. Does not change its arguments.
 * @param leafHashes `hashLeaf` of each new leaf
 */
export function growTree(
  edge: TreeEdge,
  leafHashes: readonly Uint8Array[],
): { readonly edge: TreeEdge; readonly tiles: readonly GrownTile[] } {
  const tiles: GrownTile[] = [];
  const levels: Buffer[] = [];
  let added: readonly Uint8Array[] = leafHashes;
  let before = edge.size;
  for (let level = 0; added.length > 0 || level < edge.levels.length; level += 1) {
    const unfinished = edge.levels[level] ?? Buffer.alloc(0);
    const hashes = Buffer.concat([unfinished, ...added]);
    const first = Math.floor(before / TILE_WIDTH);
    const roots: Buffer[] = [];
    for (let n = 0; n * TILE_BYTES < hashes.length && added.length > 0; n += 1) {
      const tile = hashes.subarray(n * TILE_BYTES, (n + 1) * TILE_BYTES);
      tiles.push({ level, n: first + n, kept: n === 0 ? unfinished.length : 0, hashes: tile });
      if (tile.length === TILE_BYTES) roots.push(rootOfTile(tile));
    }
    levels.push(hashes.subarray(roots.length * TILE_BYTES));
    added = roots;
    before = first;
  }
  return { edge: { size: edge.size + leafHashes.length, levels }, tiles };
}

const TILE_BYTES = TILE_WIDTH * HASH_BYTES;

/** The root of the tree with this edge: the unfinished tiles contain every subtree that the root is computed from. */
export function edgeRoot({ levels }: TreeEdge): Buffer {
  const subtrees: Buffer[] = [];
  for (let level = levels.length - 1; level >= 0; level -= 1) {
    const tile = levels[level] as Uint8Array;
    const hashes = Buffer.from(tile.buffer, tile.byteOffset, tile.byteLength);
    for (let width = TILE_WIDTH / 2, at = 0; width >= 1; width /= 2) {
      if ((hashes.length / HASH_BYTES) % (width * 2) < width) continue;
      subtrees.push(rootOfTile(hashes.subarray(at, at + width * HASH_BYTES)));
      at += width * HASH_BYTES;
    }
  }
  return foldHashes(subtrees);
}
