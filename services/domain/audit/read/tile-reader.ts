import { createHash } from 'node:crypto';
import type { Ports } from '#services/domain/ports.ts';
import { auditLogDamaged, auditLogEmpty, auditOriginUnknown, auditTileUnknown } from '../errors.ts';
import { HASH_BYTES } from '../log/merkle.ts';
import { entryBundle, parseTilePath, TILE_WIDTH, type TileId, tilePath, tilePrefix, tileWidth } from '../log/tiles.ts';
import { type LogRow, readLeaves, readLogs, readNewestCheckpoint, readTile } from '../log-reader.store.ts';
import { createByteLru } from './byte-lru.ts';
import type { LogChoice } from './read-log.ts';
import { createSharedReadings } from './shared-readings.ts';

/** Bytes of one tile, for everybody. `etag` is a strong one. */
export type PublicTile = { readonly bytes: Buffer; readonly isFull: boolean; readonly etag: string };

export type TileReader = {
  /**
   * A tile of hashes or a bundle of leaves, within what is published.
   * @param path below `tile/`
   * Throws `auditTileUnknown` (404), `auditOriginUnknown` (404), `auditLogEmpty` (404), `auditLogDamaged` (500).
   */
  read(choice: LogChoice, path: string): Promise<PublicTile>;
};

/** A cached tile is read again after this time, so that the cache does not hide changes to the database. */
const KEPT_MS = 60_000;
/** For so long after a log was continued, its addresses as the log in use still show the one before. */
const LOGS_MS = 1_000;
/** What a tile costs beside its bytes, generously: key, objects, a backing store of its own. */
const TILE_OVERHEAD_BYTES = 1_024;

/** A tile as wide as it is published. */
type HeldTile = PublicTile & { readonly width: number; readonly readAtMs: number };

/**
 * Serves tiles to any number of clients: published tiles never change, so each is read once a minute at most, as
 * far as memory goes, as wide as it is published, by one for all who ask; partial tiles are the beginning of that.
 * An uncached tile costs one statement, a missing one one or two.
 */
export function createTileReader({ sql, clock }: Pick<Ports, 'sql' | 'clock'>, memoryBytes: number): TileReader {
  const kept = createByteLru<HeldTile>(memoryBytes);
  const readings = createSharedReadings<HeldTile>();
  /** Leaves that are published, by origin; they only grow. */
  const sizes = new Map<string, number>();
  let logs: readonly LogRow[] = [];
  let logsReadAtMs = Number.NEGATIVE_INFINITY;

  async function chosenLog(choice: LogChoice): Promise<LogRow> {
    const find = (): LogRow | undefined =>
      choice === 'current' ? logs.at(-1) : logs.find(({ number }) => String(number) === choice);
    // A number means one log for ever; which one is in use may change.
    const isFresh = choice !== 'current' || clock.monotonic() - logsReadAtMs < LOGS_MS;
    const known = isFresh ? find() : undefined;
    if (known) return known;
    const readAtMs = clock.monotonic();
    logs = await readLogs(sql);
    logsReadAtMs = readAtMs;
    const log = find();
    if (log === undefined) throw choice === 'current' ? auditLogEmpty() : auditOriginUnknown();
    return log;
  }

  /** Hashes or leaves of this place that are published; throws `auditTileUnknown` where those asked for are not. */
  async function publishedWidth({ origin }: LogRow, { level, n, width }: TileId): Promise<number> {
    const widthIn = (size: number): number => tileWidth(level === 'entries' ? 0 : level, n, size);
    const known = widthIn(sizes.get(origin) ?? 0);
    if (width <= known) return known;
    // Always asked anew, and not shared: another process may just have shown the checkpoint that covers it.
    const newest = await readNewestCheckpoint(sql, origin);
    if (newest === null) throw auditLogEmpty();
    sizes.set(origin, Math.max(newest.size, sizes.get(origin) ?? 0));
    if (width > widthIn(newest.size)) throw auditTileUnknown();
    return widthIn(newest.size);
  }

  /** What is stored of a place, up to a width; less where the log is damaged. */
  const stored = (log: LogRow, tile: TileId): Promise<{ bytes: Buffer; width: number }> =>
    tile.level === 'entries' ? storedLeaves(log, tile) : storedHashes(log, { ...tile, level: tile.level });

  async function storedHashes({ origin }: LogRow, { level, n, width }: TileId & { readonly level: number }) {
    const hashes = (await readTile(sql, origin, level, n)) ?? Buffer.alloc(0);
    const there = Math.min(width, Math.floor(hashes.length / HASH_BYTES));
    return { bytes: tilePrefix(level, hashes, there), width: there };
  }

  async function storedLeaves({ firstSeq }: LogRow, { n, width }: TileId) {
    const first = firstSeq + n * TILE_WIDTH;
    const rows = await readLeaves(sql, first, first + width);
    const gap = rows.findIndex(({ seq }, i) => seq !== first + i);
    const leaves = (gap < 0 ? rows : rows.slice(0, gap)).map(({ leaf }) => leaf);
    return { bytes: entryBundle(leaves), width: leaves.length };
  }

  async function readAndKeep(key: string, log: LogRow, tile: TileId): Promise<HeldTile> {
    const readAtMs = clock.monotonic();
    const { bytes, width } = await stored(log, tile);
    const read = { ...publicTile(ownCopy(bytes), width === TILE_WIDTH), width, readAtMs };
    // What is damaged is not remembered.
    if (width === tile.width) kept.set(key, read, bytes.byteLength + TILE_OVERHEAD_BYTES);
    return read;
  }

  /** From memory, or read for everybody who waits for it. */
  async function heldTile(log: LogRow, tile: TileId): Promise<HeldTile> {
    const key = `${log.origin}\n${tilePath(tile)}`;
    const held = kept.get(key);
    if (held && clock.monotonic() - held.readAtMs < KEPT_MS) return held;
    return readings(key, () => readAndKeep(key, log, tile));
  }

  return {
    async read(choice, path) {
      const tile = parseTilePath(`tile/${path}`);
      if (tile === null) throw auditTileUnknown();
      const log = await chosenLog(choice);
      const held = await heldTile(log, { ...tile, width: await publishedWidth(log, tile) });
      if (held.width < tile.width) throw auditLogDamaged();
      return held.width === tile.width ? held : publicTile(tilePrefix(tile.level, held.bytes, tile.width), false);
    },
  };
}

/** What was read may be a view of a page of many rows, and a small copy one of Node's pool: kept, it would keep all of that. */
function ownCopy(bytes: Buffer): Buffer {
  const own = Buffer.allocUnsafeSlow(bytes.byteLength);
  bytes.copy(own);
  return own;
}

function publicTile(bytes: Buffer, isFull: boolean): PublicTile {
  return { bytes, isFull, etag: `"${createHash('sha256').update(bytes).digest('base64url').slice(0, 22)}"` };
}
