import type { Ports } from '../ports.ts';
import { ASYMMETRIC_ALGORITHMS } from './algorithm-shapes.ts';
import { ACCESS_PURPOSE, algorithmPurpose, type KeyPolicy, type KeyTimes, rotatesAt, stateOf } from './key-timeline.ts';
import { readDatabaseClock, readKeys, readPolicy } from './keys.store.ts';

type Key = KeyTimes & { readonly purpose: string };

/** Warnings for operators about these keys, one sentence each: for the startup log and for `doctor`. */
export function keyWarnings(keys: readonly Key[], policy: KeyPolicy, nowMs: number): string[] {
  const purposes = [ACCESS_PURPOSE, ...ASYMMETRIC_ALGORITHMS.map(algorithmPurpose)];
  return purposes.flatMap((purpose) =>
    warningsOf(
      keys.filter((key) => key.purpose === purpose),
      policy,
      nowMs,
    ),
  );
}

function warningsOf(keys: readonly Key[], policy: KeyPolicy, nowMs: number): string[] {
  const active = keys.find((key) => stateOf(key, nowMs) === 'active');
  const isSucceeded = keys.some((key) => stateOf(key, nowMs) === 'pending');
  if (!active || isSucceeded) return [];
  const isDefault = active.purpose === ACCESS_PURPOSE;
  const warnings: string[] = [];
  if (isDefault && active.alg !== policy.algorithm)
    warnings.push(
      `The active key signs with ${active.alg}, but JWT_ALGORITHM is ${policy.algorithm}: run sallyport keys rotate`,
    );
  // A key with an end was stopped by the settings, and has no successor.
  if (active.signs_until === null && rotatesAt(active, policy) < nowMs)
    warnings.push(
      `The active ${isDefault ? '' : `${active.alg} `}key has signed for longer than KEY_ROTATION_DAYS=${policy.rotation_days}: start a worker, or run sallyport keys rotate${isDefault ? '' : ` --algorithm ${active.alg}`}`,
    );
  return warnings;
}

/** The same for the keys of a database, by the policy of the last API start. */
export async function readKeyWarnings(ports: Pick<Ports, 'sql'>): Promise<string[]> {
  const policy = await readPolicy(ports.sql);
  if (!policy) return [];
  return keyWarnings(await readKeys(ports.sql), policy, await readDatabaseClock(ports.sql));
}
