import { withSpan } from '#observability/http-span.ts';
import { keyRotations } from '#observability/metrics/keys.ts';
import type { Caller, Ports, Sql, Tx } from '../ports.ts';
import { ASYMMETRIC_ALGORITHMS, type AsymmetricAlgorithm } from './algorithm-shapes.ts';
import { signingAlgorithmRefused } from './errors.ts';
import { KeyMaterialError, makeKeyPair, type SealedKey } from './key-material.ts';
import {
  ACCESS_PURPOSE,
  algorithmOf,
  algorithmPurpose,
  type KeyPolicy,
  openEnded,
  planRotation,
  type RotationPlan,
} from './key-timeline.ts';
import { type KeyView, keyViewOf } from './key-view.ts';
import {
  type KeyRow,
  lockKeys,
  readDatabaseClock,
  readKey,
  readKeys,
  readKeysOf,
  readPolicy,
  setKeyRange,
} from './keys.store.ts';
import { assertVaultFits, publishKey } from './publish-key.ts';

/** Called after commit: this copy loads its ring, and the other copies are notified to poll. */
export type HasKeysChanged = { readonly keysChanged: () => void | Promise<void> };

type RotatePorts = Pick<Ports, 'transact' | 'sql' | 'vault'> & HasKeysChanged;

type RotationAnswer = {
  /** `pending`: a key was already waiting and is returned. */
  readonly outcome: RotationPlan['kind'];
  /** The key that signs next, or (not due) the one that signs. */
  readonly key: KeyView;
};

/** @throws KeyMaterialError on a database that no API has started on */
export async function requirePolicy(sql: Sql): Promise<KeyPolicy> {
  const policy = await readPolicy(sql);
  if (policy) return policy;
  throw new KeyMaterialError('this database has no keys yet', 'start the API on it once: npm start');
}

/**
 * Publishes the next signing key now; it signs after the hold period, and the current key's range ends at exactly that
 * moment. Called again while a key waits, it returns that key. `onlyWhenDue`: only when the current key is due for
 * rotation. `algorithm`: the keys of this algorithm rather than the default ones; the two rotate independently.
 * @throws KeyMaterialError when this key-encryption key does not open the database's keys,
 *   signingAlgorithmRefused (400)
 */
export async function rotateSigningKeys(
  ports: RotatePorts,
  input: { readonly onlyWhenDue?: boolean | undefined; readonly algorithm?: AsymmetricAlgorithm | undefined },
  caller: Caller,
): Promise<RotationAnswer> {
  const { onlyWhenDue = false, algorithm } = input;
  const purpose = await purposeSigning(ports.sql, algorithm);
  return rotatePurpose(ports, { purpose, onlyWhenDue }, caller);
}

/** Rotates the keys of every algorithm that is due, each by its own dates. */
export async function rotateDueKeys(ports: RotatePorts, caller: Caller): Promise<RotationAnswer[]> {
  const others = ASYMMETRIC_ALGORITHMS.map(algorithmPurpose);
  const open = (await readKeys(ports.sql)).filter((key) => others.includes(key.purpose) && openEnded([key]));
  const answers: RotationAnswer[] = [];
  for (const purpose of [ACCESS_PURPOSE, ...new Set(open.map((key) => key.purpose))])
    answers.push(await rotatePurpose(ports, { purpose, onlyWhenDue: true }, caller));
  return answers;
}

/**
 * The purpose whose keys sign for clients registered for this algorithm; undefined: the default one.
 * @throws signingAlgorithmRefused (400)
 */
async function purposeSigning(sql: Sql, algorithm: AsymmetricAlgorithm | undefined): Promise<string> {
  if (algorithm === undefined) return ACCESS_PURPOSE;
  const own = algorithmPurpose(algorithm);
  if (openEnded(await readKeysOf(sql, own))) return own;
  if ((await requirePolicy(sql)).algorithm === algorithm) return ACCESS_PURPOSE;
  throw signingAlgorithmRefused({ detail: `No ${algorithm} key signs here.` });
}

type Rotation = { readonly purpose: string; readonly onlyWhenDue: boolean };

const rotatePurpose = (ports: RotatePorts, rotation: Rotation, caller: Caller): Promise<RotationAnswer> =>
  withSpan('rotate-signing-keys', {}, async () => {
    try {
      const answer = await rotate(ports, rotation, caller);
      keyRotations.add(1, { outcome: answer.outcome === 'publish' ? 'published' : 'not_due' });
      return answer;
    } catch (err) {
      keyRotations.add(1, { outcome: 'failed' });
      throw err;
    }
  });

async function rotate(ports: RotatePorts, { purpose, onlyWhenDue }: Rotation, caller: Caller): Promise<RotationAnswer> {
  for (;;) {
    const policy = await requirePolicy(ports.sql);
    const keys = await readKeysOf(ports.sql, purpose);
    const plan = planRotation(keys, policy, await readDatabaseClock(ports.sql), onlyWhenDue);
    // Generated before the transaction: an RSA key pair takes longer than a lock should be held.
    const spare =
      plan.kind === 'publish' ? await makeKeyPair(ports.vault, purpose, algorithmOf(purpose, policy)) : null;
    const answer = await ports.transact(async (tx) => {
      const nowMs = await lockKeys(tx);
      await assertVaultFits(tx, ports.vault);
      const present = await readKeysOf(tx, purpose);
      // A start without the algorithm has stopped its keys: a rotation must not bring it back, and none is due.
      const isStopped = purpose !== ACCESS_PURPOSE && !openEnded(present);
      if (isStopped && !onlyWhenDue)
        throw signingAlgorithmRefused({ detail: 'The settings no longer list this algorithm.' });
      const current: RotationPlan = isStopped
        ? { kind: 'not_due', kid: (present.at(-1) as KeyRow).kid }
        : planRotation(present, policy, nowMs, onlyWhenDue);
      const kid = current.kind === 'publish' ? await apply(tx, current, spare, policy, nowMs, caller) : current.kid;
      const key = kid === null ? undefined : await readKey(tx, kid);
      if (key === undefined) return null;
      if (current.kind === 'publish') tx.afterCommit(ports.keysChanged);
      return { outcome: current.kind, key: keyViewOf(key, nowMs) };
    });
    // Null: the waiting key began to sign between the two reads, and no key was generated for this case.
    if (answer) return answer;
  }
}

async function apply(
  tx: Tx,
  plan: RotationPlan & { readonly kind: 'publish' },
  spare: SealedKey | null,
  policy: KeyPolicy,
  nowMs: number,
  caller: Caller,
): Promise<string | null> {
  if (spare === null) return null;
  const { close, signs_from: signsFrom } = plan;
  if (close) await setKeyRange(tx, close.kid, close, policy.longest_token_seconds);
  return publishKey(tx, spare, { policy, nowMs, signsFrom, caller });
}
