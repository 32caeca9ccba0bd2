import type { Sql } from '../ports.ts';
import { edgeTiles, type TreeEdge } from './log/grow-tree.ts';
import { HASH_BYTES, rootSpan, type Span } from './log/merkle.ts';
import { hashSpans, type TileSet, tilesOf } from './log/tiles.ts';
import { readTiles } from './log-reader.store.ts';

async function readTileSet(
  sql: Sql,
  origin: string,
  wanted: readonly { level: number; n: number }[],
): Promise<TileSet> {
  const tiles = new Map<string, Buffer>();
  for (const { level, n, hashes } of await readTiles(sql, origin, wanted)) tiles.set(`${level}/${n}`, hashes);
  return { get: (level, n) => tiles.get(`${level}/${n}`) };
}

/**
 * Hashes spans of a log's tree from its stored tiles.
 * @throws TileMissingError
 */
export const readSpans = async (sql: Sql, origin: string, spans: readonly Span[]): Promise<Buffer[]> =>
  hashSpans(spans, await readTileSet(sql, origin, tilesOf(spans)));

/**
 * The root (base64) that a log had at `size` leaves.
 * @throws TileMissingError
 */
export const readRootAt = async (sql: Sql, origin: string, size: number): Promise<string> =>
  (await readSpans(sql, origin, [rootSpan(size)]))[0]!.toString('base64');

/** The right edge of a log's tree. If tiles are missing or changed, its `edgeRoot` differs from the root of the log. */
export async function readEdge(sql: Sql, origin: string, size: number): Promise<TreeEdge> {
  const wanted = edgeTiles(size);
  const tiles = await readTileSet(sql, origin, wanted);
  const levels: Uint8Array[] = [];
  for (const { level, n, width } of wanted) {
    while (levels.length < level) levels.push(new Uint8Array());
    levels.push((tiles.get(level, n) ?? new Uint8Array()).subarray(0, width * HASH_BYTES));
  }
  return { size, levels };
}
