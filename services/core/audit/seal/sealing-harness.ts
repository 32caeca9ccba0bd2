// For tests only: a sealed log that tests tamper with, restore and continue.
import { createHash } from 'node:crypto';
import type { LogHead } from '#services/core/ports.ts';
import { type LogHarness, type OwnLogHarness, openLogHarness } from '#tools/testing/harness/log.ts';
import { queryRows, runPastTriggers, testCaller } from '#tools/testing/harness/ports.ts';
import { sealEvents } from './seal-events.ts';

export type SealingHarness = OwnLogHarness & {
  seal(): ReturnType<typeof sealEvents>;
  /** Runs statements with triggers off. */
  asSuperuser(...statements: string[]): Promise<void>;
  /** Copies the tables of the log; `restore` puts the copies back. */
  backup(): Promise<{ restore(): Promise<void> }>;
};

const TABLES = ['audit_log', 'audit_events', 'audit_personal', 'audit_tiles', 'audit_checkpoints', 'audit_outbox'];

/** Creates a database with a log, for one test. `end` drops it. */
export async function openSealingHarness(): Promise<SealingHarness> {
  const harness = await openLogHarness();
  const seal = () => sealEvents(harness, {}, testCaller);
  await seal();
  const asSuperuser = (...statements: string[]): Promise<void> => runPastTriggers(harness.databaseUrl, ...statements);
  return {
    ...harness,
    seal,
    asSuperuser,
    async backup() {
      await asSuperuser(...TABLES.map((table) => `CREATE TABLE kept_${table} AS TABLE ${table}`));
      return {
        restore: () =>
          asSuperuser(
            ...TABLES.flatMap((table) => [
              `DELETE FROM ${table}`,
              `INSERT INTO ${table} ${table === 'audit_outbox' ? 'OVERRIDING SYSTEM VALUE' : ''} TABLE kept_${table}`,
            ]),
          ),
      };
    },
  };
}

const sha256 = (...parts: readonly Uint8Array[]): Buffer => createHash('sha256').update(Buffer.concat(parts)).digest();

/** RFC 6962 §2.1, written as the definition. */
function rootOf(hashes: readonly Buffer[]): Buffer {
  if (hashes.length === 0) return sha256();
  if (hashes.length === 1) return hashes[0] as Buffer;
  let split = 1;
  while (split * 2 < hashes.length) split *= 2;
  return sha256(Buffer.of(1), rootOf(hashes.slice(0, split)), rootOf(hashes.slice(split)));
}

type LogCheck = {
  readonly origin: string;
  readonly size: number;
  /** Ids of the sealed events of all logs, in order. */
  readonly eventIds: readonly string[];
};

/**
 * Checks that sequence numbers have no gap, that leaves, columns, tiles and roots agree, and that each sealed outbox row
 * has the number of its event. Throws an error that says what is wrong.
 */
export async function checkLog(harness: LogHarness): Promise<LogCheck> {
  const logs = await harness.raw<{
    origin: string;
    first_seq: number;
    size: number;
    root: Buffer;
    closed_at: Date | null;
  }>`SELECT origin, first_seq, size, root, closed_at FROM audit_log ORDER BY first_seq, started_at`;
  const events = await harness.raw<{ seq: number; event_id: string; leaf: Buffer }>`SELECT seq, event_id, leaf
    FROM audit_events ORDER BY seq`;
  for (const [at, { seq, event_id, leaf }] of events.entries()) {
    const sealed = JSON.parse(leaf.toString()) as { seq: number; event_id: string };
    if (seq !== at || sealed.seq !== at || sealed.event_id !== event_id)
      throw new Error(`event ${seq} is where ${at} should be`);
  }
  for (const { origin, first_seq, size, root } of logs) {
    const hashes = events.slice(first_seq, first_seq + size).map(({ leaf }) => sha256(Buffer.of(0), leaf));
    if (hashes.length !== size || !rootOf(hashes).equals(root))
      throw new Error(`${origin}: the root does not match the leaves`);
    const tiles = await harness.raw<{ level: number; n: number; hashes: Buffer }>`SELECT level, n, hashes
      FROM audit_tiles WHERE origin = ${origin} ORDER BY level, n`;
    let row = hashes;
    for (let level = 0; row.length > 0; level += 1) {
      const stored = Buffer.concat(tiles.filter((tile) => tile.level === level).map((tile) => tile.hashes));
      if (!stored.equals(Buffer.concat(row))) throw new Error(`${origin}: tiles of level ${level} are wrong`);
      row = Array.from({ length: Math.floor(row.length / 256) }, (_, n) => rootOf(row.slice(n * 256, (n + 1) * 256)));
    }
  }
  const last = logs.at(-1);
  if (last === undefined) throw new Error('no log');
  if (last.first_seq + last.size !== events.length) throw new Error('events beyond the log');
  const [misplaced] = await harness.raw`SELECT o.event_id FROM audit_outbox o LEFT JOIN audit_events e USING (event_id)
    WHERE o.seq IS DISTINCT FROM e.seq LIMIT 1`;
  if (misplaced) throw new Error(`an outbox row has another number than its event: ${JSON.stringify(misplaced)}`);
  return { origin: last.origin, size: last.size, eventIds: events.map(({ event_id }) => event_id) };
}

export type CutLog = {
  /** Head of the shortened log. */
  readonly held: LogHead;
  /** The log that replaced it. */
  readonly origin: string;
};

/**
 * As an attacker: cuts the log in use back to a signed head and begins an empty log after it, as if it had been
 * continued. Rows, tiles, heads and checkpoints stay consistent.
 * @param keep a size of the log with a checkpoint, at most 256
 */
export async function cutLog(url: string, keep: number): Promise<CutLog> {
  const [log] = await queryRows(url)<{ origin: string; root: Buffer }>`SELECT l.origin, c.root
    FROM audit_log l JOIN audit_checkpoints c USING (origin) WHERE closed_at IS NULL AND c.size = ${keep}`;
  if (log === undefined) throw new Error(`no checkpoint has ${keep} events`);
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
