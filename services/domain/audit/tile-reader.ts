import { createHash } from 'node:crypto';
import type { Ports } from '../ports.ts';
import { createByteLru } from './byte-lru.ts';
import { auditLogDamaged, auditLogEmpty, auditOriginUnknown, auditTileUnknown } from './errors.ts';
import { HASH_BYTES } from './log/merkle.ts';
import { entryBundle, parseTilePath, TILE_WIDTH, type TileId, tilePath, tileWidth } from './log/tiles.ts';
import { type LogRow, readLeaves, readLogs, readNewestCheckpoint, readTile } from './log-reader.store.ts';
import type { LogChoice } from './read-log.ts';

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

/** After so long a tile is read anew: whoever changes the database does not hide behind memory. */
const KEPT_MS = 60_000;
/** For so long after a log was continued, its addresses as the log in use still show the one before. */
const LOGS_MS = 1_000;
/** What an entry costs beside its bytes, generously. */
const ENTRY_BYTES = 512;

/**
 * Reads tiles as often as anybody likes: what is published never changes, so it is read once a minute at
 * most, as far as memory goes. A tile that nobody asked for lately costs one statement, one that is not there one or two.
 */
export function createTileReader({ sql, clock }: Pick<Ports, 'sql' | 'clock'>, memoryBytes: number): TileReader {
  const kept = createByteLru<PublicTile & { readonly readAtMs: number }>(memoryBytes);
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

  async function isPublished({ origin }: LogRow, tile: TileId): Promise<boolean> {
    const level = tile.level === 'entries' ? 0 : tile.level;
    const isWithin = (size: number): boolean => tile.width <= tileWidth(level, tile.n, size);
    if (isWithin(sizes.get(origin) ?? 0)) return true;
    const newest = await readNewestCheckpoint(sql, origin);
    if (newest === null) throw auditLogEmpty();
    sizes.set(origin, Math.max(newest.size, sizes.get(origin) ?? 0));
    return isWithin(newest.size);
  }

  const keyOf = ({ origin }: LogRow, tile: TileId): string => `${origin}\n${tilePath(tile)}`;

  function keptTile(log: LogRow, tile: TileId): PublicTile | undefined {
    const held = kept.get(keyOf(log, tile));
    return held && clock.monotonic() - held.readAtMs < KEPT_MS ? held : undefined;
  }

  /** From memory: itself, or of hashes the beginning of the full tile. */
  function remembered(log: LogRow, tile: TileId): PublicTile | undefined {
    const same = keptTile(log, tile);
    if (same || tile.level === 'entries' || tile.width === TILE_WIDTH) return same;
    const full = keptTile(log, { ...tile, width: TILE_WIDTH });
    return full && publicTile(full.bytes.subarray(0, tile.width * HASH_BYTES), false);
  }

  const stored = (log: LogRow, tile: TileId): Promise<Buffer> =>
    tile.level === 'entries' ? bundle(log, tile) : hashes(log, tile);

  async function hashes({ origin }: LogRow, { level, n, width }: TileId): Promise<Buffer> {
    const tile = await readTile(sql, origin, level as number, n);
    if (tile === null || tile.length < width * HASH_BYTES) throw auditLogDamaged();
    return tile.subarray(0, width * HASH_BYTES);
  }

  async function bundle({ firstSeq }: LogRow, { n, width }: TileId): Promise<Buffer> {
    const first = firstSeq + n * TILE_WIDTH;
    const rows = await readLeaves(sql, first, first + width);
    if (rows.length !== width) throw auditLogDamaged();
    return entryBundle(rows.map(({ leaf }) => leaf));
  }

  return {
    async read(choice, path) {
      const tile = parseTilePath(`tile/${path}`);
      if (tile === null) throw auditTileUnknown();
      const log = await chosenLog(choice);
      const held = remembered(log, tile);
      if (held) return held;
      if (!(await isPublished(log, tile))) throw auditTileUnknown();
      const readAtMs = clock.monotonic();
      // A copy: what was read may be a view of a page of many rows.
      const read = publicTile(Buffer.from(await stored(log, tile)), tile.width === TILE_WIDTH);
      kept.set(keyOf(log, tile), { ...read, readAtMs }, read.bytes.byteLength + ENTRY_BYTES);
      return read;
    },
  };
}

function publicTile(bytes: Buffer, isFull: boolean): PublicTile {
  return { bytes, isFull, etag: `"${createHash('sha256').update(bytes).digest('base64url').slice(0, 22)}"` };
}
