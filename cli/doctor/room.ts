import type { Sql } from '#services/domain/ports.ts';
import { defineStatement } from '#services/platform/define/statement.ts';
import { fail, pass, type Result, warn } from './check.ts';

const MEGABYTE = 1_048_576;
/** Less than this fills up with one night's dump or log. */
const LITTLE_MEGABYTES = 1_024;
/** With less than this the next WAL segment may not fit. */
const LEAST_MEGABYTES = 128;

/** @param freeBytes what may still be written into the directory */
export function judgeRoom(directory: string, freeBytes: number): Result {
  const megabytes = Math.floor(freeBytes / MEGABYTE);
  const evidence = `${directory}, ${megabytes.toLocaleString('en')} MB free`;
  const fix = `free space on its file system: df -h ${directory}`;
  if (megabytes < LEAST_MEGABYTES) return fail(evidence, fix);
  return megabytes < LITTLE_MEGABYTES ? warn(evidence, fix) : pass(evidence);
}

/** Writes new pages to the disk, dropped at the end of the transaction: a full disk refuses these first. */
const TAKE_ROOM = defineStatement(
  'doctorTakeRoom',
  `CREATE TEMP TABLE doctor_room ON COMMIT DROP AS SELECT repeat('x', 1024) AS filler FROM generate_series(1, 1024)`,
);

/**
 * Why the database would refuse to write, found by trying it on its data disk; undefined when it would not.
 * @param isReadOnly as the database says of its transactions
 */
export async function writeRefusal(
  sql: Sql,
  isReadOnly: boolean,
): Promise<{ readonly what: string; readonly fix: string } | undefined> {
  if (isReadOnly)
    return {
      what: 'it is read-only',
      fix: 'check that DATABASE_URL names the primary, and check default_transaction_read_only',
    };
  try {
    await sql.query(TAKE_ROOM);
    return undefined;
  } catch (err) {
    // The trouble of a database comes as the cause of an answer, a right that is missing as it is.
    const { code, cause } = err as { readonly code?: unknown; readonly cause?: { readonly code?: unknown } };
    // Without the right to create temporary tables the result is unknown.
    if (code === '42501') return undefined;
    if (cause?.code !== '53100') throw err;
    return {
      what: 'its disk is full',
      fix: "make room on the database's disk: docs/runbooks/PostgresRefusesWrites.md",
    };
  }
}
