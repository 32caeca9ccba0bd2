import type { Ports } from '../ports.ts';
import type { AsymmetricAlgorithm } from './algorithm-shapes.ts';
import { signedAlgorithms } from './key-timeline.ts';
import { type KeyView, keyViewOf } from './key-view.ts';
import { readDatabaseClock, readKeys, readPolicy } from './keys.store.ts';

/** Every key as stored in the database, for a caller without a ring. */
export async function listKeys(ports: Pick<Ports, 'sql'>): Promise<KeyView[]> {
  const nowMs = await readDatabaseClock(ports.sql);
  return (await readKeys(ports.sql)).map((key) => keyViewOf(key, nowMs));
}

/** The algorithms that a client can be registered for, by the keys in the database; none before the first API start. */
export async function readSignedAlgorithms({ sql }: Pick<Ports, 'sql'>): Promise<AsymmetricAlgorithm[]> {
  const policy = await readPolicy(sql);
  return policy === undefined ? [] : signedAlgorithms(await readKeys(sql), policy, await readDatabaseClock(sql));
}

type KeyMoment = {
  readonly at: string;
  readonly kid: string;
  readonly alg: string;
  readonly event: 'published' | 'signs' | 'stops signing' | 'leaves the key set' | 'compromised';
};

/** Past and planned events of the keys, in order. */
export function keyTimeline(keys: readonly KeyView[]): KeyMoment[] {
  const moments = keys.flatMap((key) => {
    const plan: readonly (readonly [string | null, KeyMoment['event']])[] = [
      [key.published_at, 'published'],
      // One that was compromised before it signed has no range.
      [key.activates_at === key.compromised_at ? null : key.activates_at, 'signs'],
      [key.compromised_at, 'compromised'],
      [key.compromised_at ? null : key.signs_until, 'stops signing'],
      [key.compromised_at ? null : key.leaves_at, 'leaves the key set'],
    ];
    return plan.flatMap(([at, event]) => (at === null ? [] : [{ at, kid: key.kid, alg: key.alg, event }]));
  });
  // The sort is stable: events at the same time keep the order of a key's life.
  return moments.sort((one, other) => one.at.localeCompare(other.at));
}
