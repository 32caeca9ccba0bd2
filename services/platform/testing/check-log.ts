// For tests only: looks whether a database's sealed log is what it claims, the plain way.
import { createHash } from 'node:crypto';
import type { LogWorld } from './worlds/log-world.ts';

const sha256 = (...parts: readonly Uint8Array[]): Buffer => createHash('sha256').update(Buffer.concat(parts)).digest();

/** RFC 6962 §2.1, as it is defined. */
function rootOf(hashes: readonly Buffer[]): Buffer {
  if (hashes.length === 0) return sha256();
  if (hashes.length === 1) return hashes[0] as Buffer;
  let split = 1;
  while (split * 2 < hashes.length) split *= 2;
  return sha256(Buffer.of(1), rootOf(hashes.slice(0, split)), rootOf(hashes.slice(split)));
}

export type LogCheck = {
  readonly origin: string;
  readonly size: number;
  /** Sealed event ids, in order, over all logs. */
  readonly eventIds: readonly string[];
};

/**
 * Every place is taken once and none is left out; leaves, columns, tiles, root and mark agree; each outbox row is where
 * its event is. Throws with what is wrong.
 */
export async function checkLog(world: LogWorld): Promise<LogCheck> {
  const logs = await world.raw<{
    origin: string;
    first_seq: number;
    size: number;
    root: Buffer;
    closed_at: Date | null;
  }>('SELECT origin, first_seq, size, root, closed_at FROM audit_log ORDER BY first_seq, started_at');
  const events = await world.raw<{ seq: number; event_id: string; leaf: Buffer }>(
    'SELECT seq, event_id, leaf FROM audit_events ORDER BY seq',
  );
  for (const [at, { seq, event_id, leaf }] of events.entries()) {
    const sealed = JSON.parse(leaf.toString()) as { seq: number; event_id: string };
    if (seq !== at || sealed.seq !== at || sealed.event_id !== event_id) throw new Error(`place ${at} holds ${seq}`);
  }
  for (const { origin, first_seq, size, root } of logs) {
    const hashes = events.slice(first_seq, first_seq + size).map(({ leaf }) => sha256(Buffer.of(0), leaf));
    if (hashes.length !== size || !rootOf(hashes).equals(root))
      throw new Error(`${origin}: leaves do not give its root`);
    const tiles = await world.raw<{ level: number; n: number; hashes: Buffer }>(
      'SELECT level, n, hashes FROM audit_tiles WHERE origin = $1 ORDER BY level, n',
      [origin],
    );
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
  const [misplaced] = await world.raw(
    `SELECT o.event_id FROM audit_outbox o LEFT JOIN audit_events e USING (event_id)
     WHERE o.seq IS DISTINCT FROM e.seq LIMIT 1`,
  );
  if (misplaced) throw new Error(`an outbox row is not where its event is: ${JSON.stringify(misplaced)}`);
  return { origin: last.origin, size: last.size, eventIds: events.map(({ event_id }) => event_id) };
}
