import { defineStatement } from '#services/platform/define/statement.ts';
import type { Sql } from '../ports.ts';
import { rfc3339 } from './events.store.ts';

export type LogRow = {
  /** 1 for the oldest log. */
  readonly number: number;
  readonly origin: string;
  readonly first_seq: number;
  readonly size: number;
  readonly root: Buffer;
  readonly started_at: string;
  readonly closed_at: string | null;
  /** The published head that this log replaces; null for the first log. */
  readonly previous: string | null;
  readonly previous_size: number | null;
  readonly previous_root: Buffer | null;
};
export type CheckpointRow = {
  readonly origin: string;
  readonly size: number;
  readonly root: Buffer;
  readonly note: string;
  readonly created_at: string;
};

/** Reads the whole table, a few rows: another log begins only after leaves were lost. */
const auditLogsRead = defineStatement('auditLogsRead')`
  SELECT row_number() OVER (ORDER BY audit_log.started_at, origin) AS number, origin, first_seq, size, root,
    ${rfc3339('started_at')} AS started_at, ${rfc3339('closed_at')} AS closed_at, previous,
    previous_size, previous_root
  FROM audit_log ORDER BY audit_log.started_at, origin`;

const CHECKPOINT = `origin, size, root, note, ${rfc3339('created_at')} AS created_at`;

/** Scans the primary key backwards. */
const auditCheckpointNewest = defineStatement('auditCheckpointNewest')`
  SELECT ${CHECKPOINT} FROM audit_checkpoints WHERE origin = $1 ORDER BY size DESC, root LIMIT 1`;
const auditCheckpointsAfter = defineStatement('auditCheckpointsAfter')`
  SELECT ${CHECKPOINT} FROM audit_checkpoints WHERE origin = $1 AND (size, root) > ($2, $3)
  ORDER BY size, root LIMIT $4`;
const auditTileRead = defineStatement('auditTileRead')`
  SELECT hashes FROM audit_tiles WHERE origin = $1 AND level = $2 AND n = $3`;
/** One primary-key lookup for each tile. */
const auditTilesRead = defineStatement('auditTilesRead')`
  SELECT wanted.level, wanted.n, hashes FROM unnest($2::smallint[], $3::bigint[]) AS wanted(level, n)
  JOIN audit_tiles t ON t.origin = $1 AND t.level = wanted.level AND t.n = wanted.n`;
const auditLeavesRead = defineStatement('auditLeavesRead')`
  SELECT seq, leaf FROM audit_events WHERE seq >= $1 AND seq < $2 ORDER BY seq`;

const auditSinkStates = defineStatement('auditSinkStates')`
  SELECT sink, origin, size, ${rfc3339('published_at')} AS published_at, ${rfc3339('failing_since')} AS failing_since
  FROM audit_sinks ORDER BY sink`;

/** The newest checkpoint that a sink accepted, and since when deliveries to it fail. */
export type SinkState = {
  readonly sink: string;
  readonly origin: string;
  readonly size: number;
  readonly published_at: string | null;
  readonly failing_since: string | null;
};

export const readSinkStates = (sql: Sql): Promise<SinkState[]> => sql.query(auditSinkStates);

export const readLogs = (sql: Sql): Promise<LogRow[]> => sql.query(auditLogsRead);

export async function readNewestCheckpoint(sql: Sql, origin: string): Promise<CheckpointRow | null> {
  const [row] = await sql.query<CheckpointRow>(auditCheckpointNewest, [origin]);
  return row ?? null;
}

/** Checkpoints after this one, smallest size first. Of two with the same size (a fork) it returns both. */
export const readCheckpointsAfter = (
  sql: Sql,
  origin: string,
  after: { readonly size: number; readonly root: Buffer },
  limit: number,
): Promise<CheckpointRow[]> => sql.query(auditCheckpointsAfter, [origin, after.size, after.root, limit]);

export async function readTile(sql: Sql, origin: string, level: number, n: number): Promise<Buffer | null> {
  const [row] = await sql.query<{ hashes: Buffer }>(auditTileRead, [origin, level, n]);
  return row?.hashes ?? null;
}

type TileRow = { readonly level: number; readonly n: number; readonly hashes: Buffer };

export const readTiles = (
  sql: Sql,
  origin: string,
  tiles: readonly { readonly level: number; readonly n: number }[],
): Promise<TileRow[]> => sql.query(auditTilesRead, [origin, tiles.map(({ level }) => level), tiles.map(({ n }) => n)]);

/** Sealed bytes from `fromSeq` up to, not including, `toSeq`. Skips missing events. */
export const readLeaves = (
  sql: Sql,
  fromSeq: number,
  toSeq: number,
): Promise<{ readonly seq: number; readonly leaf: Buffer }[]> => sql.query(auditLeavesRead, [fromSeq, toSeq]);
