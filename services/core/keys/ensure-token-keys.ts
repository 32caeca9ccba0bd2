import type { Ports, Tx } from '../ports.ts';
import { ASYMMETRIC_ALGORITHMS, type AsymmetricAlgorithm } from './algorithm-shapes.ts';
import { makeKeyPair, type SealedKey } from './key-material.ts';
import {
  ACCESS_PURPOSE,
  algorithmOf,
  algorithmPurpose,
  holdMs,
  type KeyPolicy,
  openEnded,
  signsAtOnceFrom,
} from './key-timeline.ts';
import { type KeyRow, readKeys, readKeysOf } from './keys.store.ts';
import { publishKey } from './publish-key.ts';
import { type StopWork, stopSigning } from './stop-signing.ts';

const of = (keys: readonly KeyRow[], purpose: string): KeyRow[] => keys.filter((key) => key.purpose === purpose);

/** The purposes that need a signing key: the default one, and one for each additional algorithm. */
const purposesOf = (additional: readonly AsymmetricAlgorithm[], policy: KeyPolicy): string[] => [
  ACCESS_PURPOSE,
  ...ASYMMETRIC_ALGORITHMS.filter((alg) => alg !== policy.algorithm && additional.includes(alg)).map(algorithmPurpose),
];

/** Whether a key of the default purpose signs, now or later, with another algorithm than the configured one. */
const isChanging = (keys: readonly KeyRow[], { policy, nowMs }: StopWork): boolean =>
  of(keys, ACCESS_PURPOSE).some(
    (row) =>
      row.alg !== policy.algorithm &&
      row.compromised_at === null &&
      (row.signs_until === null || nowMs < row.signs_until),
  );

/** Keys for the purposes that have no signer. Generated before the transaction: an RSA key pair takes longer than a lock should be held. */
export async function makeTokenKeys(
  ports: Pick<Ports, 'sql' | 'vault'>,
  additional: readonly AsymmetricAlgorithm[],
  policy: KeyPolicy,
): Promise<ReadonlyMap<string, SealedKey>> {
  const keys = await readKeys(ports.sql);
  const spares = new Map<string, SealedKey>();
  for (const purpose of purposesOf(additional, policy))
    if (!openEnded(of(keys, purpose)))
      spares.set(purpose, await makeKeyPair(ports.vault, purpose, algorithmOf(purpose, policy)));
  return spares;
}

/**
 * Runs under the key writers' lock. The first key of a new installation signs immediately. A key for an algorithm that
 * is added later is published for the hold period first: verifiers have cached a key set without it. The keys of an
 * algorithm that is no longer configured stop signing; an algorithm that has become the default keeps its own keys
 * until every key of the default purpose has it.
 * @returns the kids created now
 */
export async function ensureTokenKeys(
  tx: Tx,
  spares: ReadonlyMap<string, SealedKey>,
  additional: readonly AsymmetricAlgorithm[],
  work: StopWork,
): Promise<string[]> {
  const before = await readKeys(tx);
  const needed = purposesOf(additional, work.policy);
  const isNew = of(before, ACCESS_PURPOSE).length === 0;
  const created: string[] = [];
  for (const purpose of needed) {
    const present = await readKeysOf(tx, purpose);
    const spare = spares.get(purpose);
    if (spare === undefined || openEnded(present)) continue;
    const atOnce = signsAtOnceFrom(present, work.nowMs);
    const isHeld = purpose !== ACCESS_PURPOSE && !isNew;
    const signsFrom = isHeld ? Math.max(atOnce, work.nowMs + holdMs(work.policy)) : atOnce;
    created.push(await publishKey(tx, spare, { ...work, signsFrom }));
  }
  const kept = isChanging(before, work) ? [...needed, algorithmPurpose(work.policy.algorithm)] : needed;
  for (const purpose of ASYMMETRIC_ALGORITHMS.map(algorithmPurpose)) {
    const current = openEnded(of(before, purpose));
    if (current && !kept.includes(purpose)) await stopSigning(tx, current, work);
  }
  return created;
}
