import type { Ports } from '../ports.ts';
import { auditLogDamaged, auditLogEmpty, auditOriginUnknown, auditTileUnknown } from './errors.ts';
import { HASH_BYTES } from './log/merkle.ts';
import { type NoteKey, vkeyOf } from './log/note.ts';
import { entryBundle, parseTilePath, TILE_WIDTH, type TileId, tileWidth } from './log/tiles.ts';
import {
  type CheckpointRow,
  type LogRow,
  readLeaves,
  readLogs,
  readNewestCheckpoint,
  readTile,
} from './log-reader.store.ts';

type ReadPorts = Pick<Ports, 'sql'>;

/** Which log: a number from `listOrigins`, or `current`. */
export type LogChoice = string;

/** Public keys of a log, by its origin: those that sign now and those that signed before. */
export type HasAuditLogKeys = { readonly auditLogKeys: (origin: string) => Promise<readonly NoteKey[]> };

/** Every log there ever was, the oldest first. */
export const listOrigins = ({ sql }: ReadPorts): Promise<LogRow[]> => readLogs(sql);

/** Throws `auditLogEmpty` (404) before the first log, `auditOriginUnknown` (404). */
async function chosenLog({ sql }: ReadPorts, choice: LogChoice): Promise<LogRow> {
  const logs = await readLogs(sql);
  if (choice !== 'current') {
    const log = logs.find(({ number }) => String(number) === choice);
    if (log === undefined) throw auditOriginUnknown();
    return log;
  }
  const current = logs.at(-1);
  if (current === undefined) throw auditLogEmpty();
  return current;
}

async function newestCheckpoint(ports: ReadPorts, log: LogRow): Promise<CheckpointRow> {
  const checkpoint = await readNewestCheckpoint(ports.sql, log.origin);
  if (checkpoint === null) throw auditLogEmpty();
  return checkpoint;
}

/** The newest published checkpoint: a signed note. */
export const readCheckpoint = async (ports: ReadPorts, choice: LogChoice): Promise<string> =>
  (await newestCheckpoint(ports, await chosenLog(ports, choice))).note;

/** One verifier key a line. */
export const readVkeys = async (ports: ReadPorts & HasAuditLogKeys, choice: LogChoice): Promise<string> =>
  readVkeysOf(ports, (await chosenLog(ports, choice)).origin);

export async function readVkeysOf({ auditLogKeys }: HasAuditLogKeys, origin: string): Promise<string> {
  const keys = await auditLogKeys(origin);
  if (keys.length === 0) throw auditLogEmpty();
  return keys.map((key) => `${vkeyOf(key)}\n`).join('');
}

/**
 * A tile of hashes or a bundle of leaves, within what is published.
 * @param path below `tile/`
 * Throws `auditTileUnknown` (404), `auditLogDamaged` (500).
 */
export async function readLogTile(
  ports: ReadPorts,
  choice: LogChoice,
  path: string,
): Promise<{ readonly bytes: Buffer; readonly isFull: boolean }> {
  const tile = parseTilePath(`tile/${path}`);
  if (tile === null) throw auditTileUnknown();
  const log = await chosenLog(ports, choice);
  const { size } = await newestCheckpoint(ports, log);
  const level = tile.level === 'entries' ? 0 : tile.level;
  if (tile.width > tileWidth(level, tile.n, size)) throw auditTileUnknown();
  return {
    bytes: await (tile.level === 'entries' ? bundle(ports, log, tile) : hashes(ports, log, tile)),
    isFull: tile.width === TILE_WIDTH,
  };
}

async function hashes({ sql }: ReadPorts, { origin }: LogRow, { level, n, width }: TileId): Promise<Buffer> {
  const tile = await readTile(sql, origin, level as number, n);
  if (tile === null || tile.length < width * HASH_BYTES) throw auditLogDamaged();
  return tile.subarray(0, width * HASH_BYTES);
}

async function bundle({ sql }: ReadPorts, { firstSeq }: LogRow, { n, width }: TileId): Promise<Buffer> {
  const first = firstSeq + n * TILE_WIDTH;
  const rows = await readLeaves(sql, first, first + width);
  if (rows.length !== width) throw auditLogDamaged();
  return entryBundle(rows.map(({ leaf }) => leaf));
}
