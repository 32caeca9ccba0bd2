import { randomBytes, randomFillSync } from 'node:crypto';
import { v7 } from 'uuid';
import type { Clock, Random } from '#services/core/ports.ts';

export const systemClock: Clock = { now: () => Date.now(), monotonic: () => performance.now() };

const UUID_BYTES = 16;
const pool = Buffer.alloc(256 * UUID_BYTES);
let taken = pool.length;

/** Random bytes for one id, drawn in bulk: one system call for each id would cost ten times as much as the id itself. */
function idBytes(): Uint8Array {
  if (taken === pool.length) {
    randomFillSync(pool);
    taken = 0;
  }
  taken += UUID_BYTES;
  return pool.subarray(taken - UUID_BYTES, taken);
}

export const systemRandom: Random = { bytes: (count) => randomBytes(count), uuid: () => v7({ random: idBytes() }) };
