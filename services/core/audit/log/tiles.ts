import { foldHashes, HASH_BYTES, hashNode, type Span, type Subtree } from './merkle.ts';

/** Hashes in a full tile (c2sp.org/tlog-tiles). Above level 0, each hash is the root of a full tile one level below. */
export const TILE_WIDTH = 256;
const TILE_HEIGHT = 8;

/** A tile of hashes, or a bundle of 256 leaves (`entries`). `width` is 256, or 1 to 255 if partial. */
export type TileId = { readonly level: number | 'entries'; readonly n: number; readonly width: number };

const digits = (group: number): string => String(group).padStart(3, '0');

/** `tile/0/x001/x234/067`; a partial tile ends with `.p/<width>`, and bundles are below `tile/entries/`. */
export function tilePath({ level, n, width }: TileId): string {
  let path = digits(n % 1_000);
  for (let rest = Math.floor(n / 1_000); rest > 0; rest = Math.floor(rest / 1_000))
    path = `x${digits(rest % 1_000)}/${path}`;
  return `tile/${level}/${path}${width === TILE_WIDTH ? '' : `.p/${width}`}`;
}

const PATH = /^tile\/(\d{1,2}|entries)\/((?:x\d{3}\/){0,4}\d{3})(?:\.p\/(\d{1,3}))?$/;

/** The tile that a path names; null unless the text is exactly a tile's path. */
export function parseTilePath(path: string): TileId | null {
  const found = PATH.exec(path);
  if (!found) return null;
  const [, level = '', groups = '', width] = found;
  const id: TileId = {
    level: level === 'entries' ? level : Number(level),
    n: Number(groups.replaceAll(/[x/]/g, '')),
    width: width === undefined ? TILE_WIDTH : Number(width),
  };
  const isPossible = id.width > 0 && (width === undefined || id.width < TILE_WIDTH) && Number.isSafeInteger(id.n);
  return isPossible && (id.level === 'entries' || id.level < 64) && tilePath(id) === path ? id : null;
}

/** Number of hashes, 0 to 256, of a tile in a tree of `size` leaves. */
export function tileWidth(level: number, n: number, size: number): number {
  const hashes = Math.floor(size / 2 ** (TILE_HEIGHT * level));
  return Math.max(0, Math.min(TILE_WIDTH, hashes - n * TILE_WIDTH));
}

/** Concatenates leaves, each after its length in two bytes, big-endian. */
export const entryBundle = (leaves: readonly Uint8Array[]): Buffer =>
  Buffer.concat(
    leaves.flatMap((leaf) => {
      const length = Buffer.alloc(2);
      length.writeUInt16BE(leaf.byteLength);
      return [length, leaf];
    }),
  );

/** A view of the first `width` hashes of a tile, or leaves of a bundle. The tile must have at least that many. */
export function tilePrefix(level: TileId['level'], bytes: Buffer, width: number): Buffer {
  if (level !== 'entries') return bytes.subarray(0, width * HASH_BYTES);
  let end = 0;
  for (let leaf = 0; leaf < width; leaf += 1) end += 2 + bytes.readUInt16BE(end);
  return bytes.subarray(0, end);
}

/** The hashes of a tile that fold to a subtree's hash. */
type Place = { readonly level: number; readonly n: number; readonly from: number; readonly count: number };

function placeOf({ level, index }: Subtree): Place {
  const tileLevel = Math.floor(level / TILE_HEIGHT);
  const count = 2 ** (level % TILE_HEIGHT);
  const first = index * count;
  return { level: tileLevel, n: Math.floor(first / TILE_WIDTH), from: first % TILE_WIDTH, count };
}

/** The root over adjacent complete subtrees; their number is a power of two. */
export function rootOfTile(hashes: Buffer): Buffer {
  if (hashes.length === HASH_BYTES) return hashes;
  const middle = hashes.length / 2;
  return hashNode(rootOfTile(hashes.subarray(0, middle)), rootOfTile(hashes.subarray(middle)));
}

/** Tiles by level and number. Each must be at least as wide as in the tree. */
export type TileSet = { get(level: number, n: number): Uint8Array | undefined };

/** The tiles needed to hash these spans, without duplicates. */
export function tilesOf(spans: readonly Span[]): { readonly level: number; readonly n: number }[] {
  const tiles = new Map<string, { level: number; n: number }>();
  for (const span of spans)
    for (const subtree of span) {
      const { level, n } = placeOf(subtree);
      tiles.set(`${level}/${n}`, { level, n });
    }
  return [...tiles.values()];
}

/** A stored tile is missing, or shorter than the size of the tree requires: the stored log is damaged. */
export class TileMissingError extends Error {
  constructor({ level, n }: Place) {
    super(`tile ${tilePath({ level, n, width: TILE_WIDTH })} is missing or too short`);
    this.name = 'TileMissingError';
  }
}

function subtreeHash(subtree: Subtree, tiles: TileSet): Buffer {
  const place = placeOf(subtree);
  const tile = tiles.get(place.level, place.n);
  const to = (place.from + place.count) * HASH_BYTES;
  if (tile === undefined || tile.length < to) throw new TileMissingError(place);
  return rootOfTile(Buffer.from(tile.buffer, tile.byteOffset + place.from * HASH_BYTES, place.count * HASH_BYTES));
}

/**
 * One hash for each span: the nodes of a proof, or the root for `rootSpan`.
 * @throws TileMissingError
 */
export const hashSpans = (spans: readonly Span[], tiles: TileSet): Buffer[] =>
  spans.map((span) => foldHashes(span.map((subtree) => subtreeHash(subtree, tiles))));
