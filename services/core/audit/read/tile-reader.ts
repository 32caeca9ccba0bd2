import { createHash } from 'node:crypto';
import type { Ports, Sql } from '#services/core/ports.ts';
import { auditLogDamaged, auditLogEmpty, auditOriginUnknown, auditTileUnknown } from '../errors.ts';
import { HASH_BYTES } from '../log/merkle.ts';
import { entryBundle, parseTilePath, TILE_WIDTH, type TileId, tilePath, tilePrefix, tileWidth } from '../log/tiles.ts';
import { type LogRow, readLeaves, readLogs, readNewestCheckpoint, readTile } from '../log-reader.store.ts';
import { createByteLru } from './byte-lru.ts';
import type { LogChoice } from './read-log.ts';
import { shareReads } from './share-reads.ts';

/** One published tile. `etag` is a strong entity tag. */
export type PublicTile = { readonly bytes: Buffer; readonly isFull: boolean; readonly etag: string };

type TileReader = {
  /**
   * Reads a tile of hashes or a bundle of leaves, up to the size of the newest checkpoint.
   * @param path below `tile/`
   * @throws auditTileUnknown (404), auditOriginUnknown (404), auditLogEmpty (404), auditLogDamaged (500)
   */
  read(choice: LogChoice, path: string): Promise<PublicTile>;
};

/** The interval between checkpoints. A cached tile is read again after it, so the cache hides no change for longer. */
const TILE_CACHE_MS = 1_000;
/** After `audit continue`, `current` may still serve the previous log for this long. */
const LOGS_CACHE_MS = 1_000;
/** Upper estimate of the memory of a cached tile besides its bytes: key, objects and backing store. */
const TILE_OVERHEAD_BYTES = 1_024;

/** A tile at its full published width. */
type CachedTile = PublicTile & { readonly width: number; readonly readAtMs: number };

/**
 * Serves tiles from memory. A published tile never changes, so it is read at its full published width, once for all
 * concurrent requests, and cached for a second if memory allows. A narrower partial tile is a prefix of it. An uncached
 * tile costs one statement, a missing tile one or two.
 */
export function createTileReader({ sql, clock }: Pick<Ports, 'sql' | 'clock'>, memoryBytes: number): TileReader {
  const cache = createByteLru<CachedTile>(memoryBytes);
  const singleFlight = shareReads<CachedTile>();
  /** Size of the newest known checkpoint, by origin. It only grows. */
  const sizes = new Map<string, number>();
  let logs: readonly LogRow[] = [];
  let logsReadAtMs = Number.NEGATIVE_INFINITY;

  async function chosenLog(choice: LogChoice): Promise<LogRow> {
    const find = (): LogRow | undefined =>
      choice === 'current' ? logs.at(-1) : logs.find(({ number }) => String(number) === choice);
    // A number always names the same log; `current` may name another one later.
    const isFresh = choice !== 'current' || clock.monotonic() - logsReadAtMs < LOGS_CACHE_MS;
    const known = isFresh ? find() : undefined;
    if (known) return known;
    const readAtMs = clock.monotonic();
    logs = await readLogs(sql);
    logsReadAtMs = readAtMs;
    const log = find();
    if (log === undefined) throw choice === 'current' ? auditLogEmpty() : auditOriginUnknown();
    return log;
  }

  /** Number of published hashes or leaves of this tile. Throws `auditTileUnknown` if the request needs more. */
  async function publishedWidth({ origin }: LogRow, { level, n, width }: TileId): Promise<number> {
    const widthIn = (size: number): number => tileWidth(level === 'entries' ? 0 : level, n, size);
    const known = widthIn(sizes.get(origin) ?? 0);
    if (width <= known) return known;
    // Reads without single-flight: a read that began earlier may miss a checkpoint that the client has already seen.
    const newest = await readNewestCheckpoint(sql, origin);
    if (newest === null) throw auditLogEmpty();
    sizes.set(origin, Math.max(newest.size, sizes.get(origin) ?? 0));
    if (width > widthIn(newest.size)) throw auditTileUnknown();
    return widthIn(newest.size);
  }

  async function readAndCache(key: string, log: LogRow, tile: TileId): Promise<CachedTile> {
    const readAtMs = clock.monotonic();
    const { bytes, width } = await stored(sql, log, tile);
    const read = { ...publicTile(ownCopy(bytes), width === TILE_WIDTH), width, readAtMs };
    // A damaged tile is not cached.
    if (width === tile.width) cache.set(key, read, bytes.byteLength + TILE_OVERHEAD_BYTES);
    return read;
  }

  async function cachedTile(log: LogRow, tile: TileId): Promise<CachedTile> {
    const key = `${log.origin}\n${tilePath(tile)}`;
    const cached = cache.get(key);
    if (cached && clock.monotonic() - cached.readAtMs < TILE_CACHE_MS) return cached;
    return singleFlight(key, () => readAndCache(key, log, tile));
  }

  return {
    async read(choice, path) {
      const tile = parseTilePath(`tile/${path}`);
      if (tile === null) throw auditTileUnknown();
      const log = await chosenLog(choice);
      const widest = await cachedTile(log, { ...tile, width: await publishedWidth(log, tile) });
      if (widest.width < tile.width) throw auditLogDamaged();
      return widest.width === tile.width ? widest : publicTile(tilePrefix(tile.level, widest.bytes, tile.width), false);
    },
  };
}

/** Reads a tile or bundle from the database. Narrower than requested if the log is damaged. */
const stored = (sql: Sql, log: LogRow, tile: TileId): Promise<{ bytes: Buffer; width: number }> =>
  tile.level === 'entries' ? storedLeaves(sql, log, tile) : storedHashes(sql, log, { ...tile, level: tile.level });

async function storedHashes(sql: Sql, { origin }: LogRow, { level, n, width }: TileId & { readonly level: number }) {
  const hashes = (await readTile(sql, origin, level, n)) ?? Buffer.alloc(0);
  const storedWidth = Math.min(width, Math.floor(hashes.length / HASH_BYTES));
  return { bytes: tilePrefix(level, hashes, storedWidth), width: storedWidth };
}

async function storedLeaves(sql: Sql, { first_seq: firstSeq }: LogRow, { n, width }: TileId) {
  const first = firstSeq + n * TILE_WIDTH;
  const rows = await readLeaves(sql, first, first + width);
  const gap = rows.findIndex(({ seq }, i) => seq !== first + i);
  const leaves = (gap < 0 ? rows : rows.slice(0, gap)).map(({ leaf }) => leaf);
  return { bytes: entryBundle(leaves), width: leaves.length };
}

/** A view would keep the buffer of a whole result page in memory, and `Buffer.from` may use a shared pool. */
function ownCopy(bytes: Buffer): Buffer {
  const own = Buffer.allocUnsafeSlow(bytes.byteLength);
  bytes.copy(own);
  return own;
}

function publicTile(bytes: Buffer, isFull: boolean): PublicTile {
  return { bytes, isFull, etag: `"${createHash('sha256').update(bytes).digest('base64url').slice(0, 22)}"` };
}
