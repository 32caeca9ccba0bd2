import { edgeRoot, emptyEdge, type GrownTile, growTree, type TreeEdge } from '../log/grow-tree.ts';

/** The hash of a leaf from its row and from its tile. Null if the row or the tile is missing. */
export type TrailLeaf = { readonly byRow: Buffer | null; readonly byTile: Buffer | null };

/** Null after a leaf of this side was missing. */
type Side = TreeEdge | null;

/**
 * Two trees over the same leaves: one from the rows, one from the tiles. They are identical until a leaf differs. A
 * signed root shows which one is right.
 */
export class TrailTree {
  #rows: Side = emptyEdge;
  #tiles: Side = emptyEdge;

  /** Appends leaves. Returns the tiles above level 0 that became full, computed from each side. */
  add(leaves: readonly TrailLeaf[]): { readonly rows: readonly GrownTile[]; readonly tiles: readonly GrownTile[] } {
    const areEqual =
      this.#rows === this.#tiles && leaves.every(({ byRow, byTile }) => byRow && byTile && byRow.equals(byTile));
    const rows = grown(
      this.#rows,
      leaves.map(({ byRow }) => byRow),
    );
    const tiles = areEqual
      ? rows
      : grown(
          this.#tiles,
          leaves.map(({ byTile }) => byTile),
        );
    this.#rows = rows.edge;
    this.#tiles = tiles.edge;
    return { rows: rows.full, tiles: tiles.full };
  }

  /** Which side has this root; `both` if the sides are identical. */
  sideWithRoot(root: Buffer): 'both' | 'rows' | 'tiles' | 'neither' {
    const isRoot = (side: Side): boolean => side !== null && edgeRoot(side).equals(root);
    if (isRoot(this.#rows)) return this.#rows === this.#tiles ? 'both' : 'rows';
    return isRoot(this.#tiles) ? 'tiles' : 'neither';
  }

  /** Replaces the other side by this one. */
  keepOnly(side: 'rows' | 'tiles'): void {
    const kept = side === 'rows' ? this.#rows : this.#tiles;
    this.#rows = kept;
    this.#tiles = kept;
  }

  /** A copy: leaves added to it do not change this tree. */
  fork(): TrailTree {
    const copy = new TrailTree();
    copy.#rows = this.#rows;
    copy.#tiles = this.#tiles;
    return copy;
  }

  /** The unfinished tiles above level 0, computed from each side. */
  unfinishedTiles(): { readonly level: number; readonly sides: readonly Uint8Array[] }[] {
    const depth = Math.max(this.#rows?.levels.length ?? 0, this.#tiles?.levels.length ?? 0);
    return Array.from({ length: Math.max(0, depth - 1) }, (_, at) => {
      const sides = [this.#rows, this.#tiles].flatMap((side) => side?.levels[at + 1] ?? []);
      return { level: at + 1, sides };
    }).filter(({ sides }) => sides.some((hashes) => hashes.length > 0));
  }
}

const FULL_BYTES = 8_192;

function grown(side: Side, hashes: readonly (Buffer | null)[]): { edge: Side; full: readonly GrownTile[] } {
  if (side === null || hashes.some((hash) => hash === null)) return { edge: null, full: [] };
  const { edge, tiles } = growTree(side, hashes as readonly Buffer[]);
  return { edge, full: tiles.filter(({ level, hashes: content }) => level > 0 && content.length === FULL_BYTES) };
}
