import type { Ports } from '../ports.ts';
import { ACCESS_PURPOSE, type KeyPolicy, type KeyTimes, rotatesAt, stateOf } from './key-timeline.ts';
import { readDatabaseClock, readKeysOf, readPolicy } from './keys.store.ts';

/** Warnings for operators about these keys, one sentence each: for the startup log and for `doctor`. */
export function keyWarnings(keys: readonly KeyTimes[], policy: KeyPolicy, nowMs: number): string[] {
  const active = keys.find((key) => stateOf(key, nowMs) === 'active');
  const isSucceeded = keys.some((key) => stateOf(key, nowMs) === 'pending');
  if (!active || isSucceeded) return [];
  const warnings: string[] = [];
  if (active.alg !== policy.algorithm)
    warnings.push(
      `The active key signs with ${active.alg}, but JWT_ALGORITHM is ${policy.algorithm}: run sallyport keys rotate`,
    );
  if (rotatesAt(active, policy) < nowMs)
    warnings.push(
      `The active key has signed for longer than KEY_ROTATION_DAYS=${policy.rotationDays}: start a worker, or run sallyport keys rotate`,
    );
  return warnings;
}

/** The same for the keys of a database, by the policy of the last API start. */
export async function readKeyWarnings(ports: Pick<Ports, 'sql'>): Promise<string[]> {
  const policy = await readPolicy(ports.sql);
  if (!policy) return [];
  return keyWarnings(await readKeysOf(ports.sql, ACCESS_PURPOSE), policy, await readDatabaseClock(ports.sql));
}
