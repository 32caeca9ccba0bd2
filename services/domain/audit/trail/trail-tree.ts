import { edgeRoot, emptyEdge, type GrownTile, growTree, type TreeEdge } from '../log/grow-tree.ts';

/** One leaf: its hash by the row and by the tile. Null where there is no row, or no tile. */
export type TrailLeaf = { readonly byRow: Buffer | null; readonly byTile: Buffer | null };

type Side = TreeEdge | null;

/**
 * The tree twice: over the rows and over the tiles. They are one until a place differs, and each ends where a leaf of
 * it is unknown; a signed root says which of them is the log.
 */
export class TrailTree {
  #rows: Side = emptyEdge;
  #tiles: Side = emptyEdge;

  /** Adds leaves. Returns the tiles above the leaves that are full now, as each side has them. */
  add(leaves: readonly TrailLeaf[]): { readonly rows: readonly GrownTile[]; readonly tiles: readonly GrownTile[] } {
    const isOne =
      this.#rows === this.#tiles && leaves.every(({ byRow, byTile }) => byRow && byTile && byRow.equals(byTile));
    const rows = grown(
      this.#rows,
      leaves.map(({ byRow }) => byRow),
    );
    const tiles = isOne
      ? rows
      : grown(
          this.#tiles,
          leaves.map(({ byTile }) => byTile),
        );
    this.#rows = rows.edge;
    this.#tiles = tiles.edge;
    return { rows: rows.full, tiles: tiles.full };
  }

  /** Which side has this root. `both` where nothing differs. */
  judge(root: Buffer): 'both' | 'rows' | 'tiles' | 'neither' {
    const isRoot = (side: Side): boolean => side !== null && edgeRoot(side).equals(root);
    if (isRoot(this.#rows)) return this.#rows === this.#tiles ? 'both' : 'rows';
    return isRoot(this.#tiles) ? 'tiles' : 'neither';
  }

  /** Goes on with one side for both. False where it has ended. */
  settle(side: 'rows' | 'tiles'): boolean {
    const kept = side === 'rows' ? this.#rows : this.#tiles;
    this.#rows = kept;
    this.#tiles = kept;
    return kept !== null;
  }

  /** A copy to try out leaves on. */
  fork(): TrailTree {
    const copy = new TrailTree();
    copy.#rows = this.#rows;
    copy.#tiles = this.#tiles;
    return copy;
  }

  /** The unfinished tiles above the leaves, by level, as each side has them. */
  open(): { readonly level: number; readonly sides: readonly Uint8Array[] }[] {
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
