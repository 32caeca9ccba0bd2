import { withSpan } from '#observability/http-span.ts';
import { keyRotations } from '#observability/metrics/keys.ts';
import type { Caller, Ports, Sql, Tx } from '../ports.ts';
import { KeyMaterialError, makeKeyPair, type SealedKey } from './key-material.ts';
import { ACCESS_PURPOSE, type KeyPolicy, planRotation, type RotationPlan } from './key-timeline.ts';
import { type KeyView, keyViewOf } from './key-view.ts';
import { lockKeys, readDatabaseClock, readKey, readKeysOf, readPolicy, setKeyRange } from './keys.store.ts';
import { assertVaultFits, publishKey } from './publish-key.ts';

/** Called after commit: this copy loads its ring, and the other copies are notified to poll. */
export type HasKeysChanged = { readonly keysChanged: () => void | Promise<void> };

export type RotationAnswer = {
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
 * rotation.
 * @throws KeyMaterialError when this key-encryption key does not open the database's keys
 */
export function rotateSigningKeys(
  ports: Pick<Ports, 'transact' | 'sql' | 'vault'> & HasKeysChanged,
  input: { readonly onlyWhenDue?: boolean },
  caller: Caller,
): Promise<RotationAnswer> {
  return withSpan('rotate-signing-keys', {}, async () => {
    try {
      const answer = await rotate(ports, input.onlyWhenDue ?? false, caller);
      keyRotations.add(1, { outcome: answer.outcome === 'publish' ? 'published' : 'not_due' });
      return answer;
    } catch (err) {
      keyRotations.add(1, { outcome: 'failed' });
      throw err;
    }
  });
}

async function rotate(
  ports: Pick<Ports, 'transact' | 'sql' | 'vault'> & HasKeysChanged,
  onlyWhenDue: boolean,
  caller: Caller,
): Promise<RotationAnswer> {
  for (;;) {
    const policy = await requirePolicy(ports.sql);
    const plan = planRotation(
      await readKeysOf(ports.sql, ACCESS_PURPOSE),
      policy,
      await readDatabaseClock(ports.sql),
      onlyWhenDue,
    );
    // Generated before the transaction: an RSA key pair takes longer than a lock should be held.
    const spare = plan.kind === 'publish' ? await makeKeyPair(ports.vault, ACCESS_PURPOSE, policy.algorithm) : null;
    const answer = await ports.transact(async (tx) => {
      const nowMs = await lockKeys(tx);
      await assertVaultFits(tx, ports.vault);
      const current = planRotation(await readKeysOf(tx, ACCESS_PURPOSE), policy, nowMs, onlyWhenDue);
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
  const { close, signsFrom } = plan;
  if (close) await setKeyRange(tx, close.kid, close, policy.longestTokenSeconds);
  return publishKey(tx, spare, { policy, nowMs, signsFrom, caller });
}
