// For tests only: what the owner of a database can do to the sealed log in it.
import type { LogMark } from '../../../domain/ports.ts';
import { queryRows, runPastTriggers } from '../rows.ts';

export type CutLog = {
  /** The log as it was left. */
  readonly held: LogMark;
  /** The log that stands in its place. */
  readonly origin: string;
};

/**
 * Cuts the tail off the log in use, back to a head that was signed, and puts an empty log behind it, as if it had been
 * continued: no row, tile, head or checkpoint contradicts another.
 * @param keep a size of the log with a checkpoint, at most 256
 */
export async function cutLog(url: string, keep: number): Promise<CutLog> {
  const [log] = await queryRows<{ origin: string; root: Buffer }>(
    url,
    `SELECT l.origin, c.root FROM audit_log l JOIN audit_checkpoints c USING (origin) WHERE closed_at IS NULL AND c.size = $1`,
    [keep],
  );
  if (log === undefined) throw new Error(`no head of ${keep} events was signed`);
  const origin = `${log.origin}/continued-deadbeef`;
  const root = `'\\x${log.root.toString('hex')}'::bytea`;
  await runPastTriggers(
    url,
    `DELETE FROM audit_events WHERE seq >= ${keep}`,
    `DELETE FROM audit_checkpoints WHERE size > ${keep}`,
    `DELETE FROM audit_tiles WHERE NOT (level = 0 AND n = 0)`,
    `UPDATE audit_tiles SET hashes = substring(hashes FROM 1 FOR ${keep * 32})`,
    `UPDATE audit_log SET size = ${keep}, root = ${root}, closed_at = clock_timestamp()`,
    `INSERT INTO audit_log (origin, first_seq, root, previous, previous_size, previous_root)
     VALUES ('${origin}', ${keep}, sha256(''), '${log.origin}', ${keep}, ${root})`,
  );
  return { held: { origin: log.origin, size: keep, root: log.root.toString('base64') }, origin };
}
