import { fail, pass, type Result, warn } from '#services/core/health/doctor-check.ts';
import type { Sql } from '#services/core/ports.ts';
import { defineStatement } from '#services/platform/define/statement.ts';

const MEGABYTE = 1_048_576;
/** One dump or one night's log can fill less than this. */
const LITTLE_MEGABYTES = 1_024;
/** The next WAL segment may not fit into less than this. */
const LEAST_MEGABYTES = 128;

/** @param freeBytes bytes that can still be written into the directory */
export function roomResult(directory: string, freeBytes: number): Result {
  const megabytes = Math.floor(freeBytes / MEGABYTE);
  const evidence = `${directory}, ${megabytes.toLocaleString('en')} MB free`;
  const fix = `free space on its file system: df -h ${directory}`;
  if (megabytes < LEAST_MEGABYTES) return fail(evidence, fix);
  return megabytes < LITTLE_MEGABYTES ? warn(evidence, fix) : pass(evidence);
}

/** Writes new pages, dropped at the end of the transaction: a full disk refuses new pages first. */
const TAKE_ROOM = defineStatement('doctorTakeRoom')`
  CREATE TEMP TABLE doctor_room ON COMMIT DROP AS SELECT repeat('x', 1024) AS filler FROM generate_series(1, 1024)`;

/**
 * Finds out by a test write on the data disk why the database would refuse to write; undefined if it would not.
 * @param isReadOnly whether the database reports its transactions as read-only
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
    // The pool wraps an unavailable database in an error with a cause; it passes a missing right on unchanged.
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
