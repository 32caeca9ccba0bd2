import { withSpan } from '#observability/http-span.ts';
import { recordEvent } from '../audit/record-event.ts';
import type { Caller, Ports, Tx } from '../ports.ts';
import { keyCompromised } from './audit-events.ts';
import { keyUnknown } from './errors.ts';
import { makeKeyPair, type SealedKey } from './key-material.ts';
import { algorithmOf, type CompromisePlan, type KeyPolicy, leavesAt, planCompromise, signsAt } from './key-timeline.ts';
import { type KeyView, keyViewOf } from './key-view.ts';
import { type KeyRow, lockKeys, markCompromised, readKey, readKeysOf, setKeyRange } from './keys.store.ts';
import { assertVaultFits, publishKey } from './publish-key.ts';
import { type HasKeysChanged, requirePolicy } from './rotate-signing-keys.ts';
import { sealRandom } from './secrets/ensure-shared-secret.ts';

type CompromisePorts = Pick<Ports, 'transact' | 'sql' | 'vault' | 'random'> & HasKeysChanged;

type CompromiseAnswer = {
  readonly key: KeyView;
  /** The key of the same purpose that signs now; null if none is configured, or its first one does not sign yet. */
  readonly signer: KeyView | null;
  /** What this means for verifiers, as a sentence. */
  readonly notice: string;
};

/**
 * The emergency path: in one transaction the key leaves the key set, its private key is destroyed, the revocation
 * row and the audit event are written, and another key signs immediately. There is no hold period: a compromised key
 * must not sign for as long as caches live. Repeated, it answers the same and changes nothing.
 * @throws keyUnknown (404), KeyMaterialError
 */
export function compromiseKey(
  ports: CompromisePorts,
  input: { readonly kid: string; readonly reason: string },
  caller: Caller,
): Promise<CompromiseAnswer> {
  return withSpan('compromise-key', {}, async () => {
    const known = await readKey(ports.sql, input.kid);
    if (!known) throw keyUnknown();
    const policy = await requirePolicy(ports.sql);
    // Generated before the transaction, though it may not be needed.
    const spare = known.compromised_at === null ? await replacementFor(ports, known, policy) : null;
    return ports.transact(async (tx) => {
      const nowMs = await lockKeys(tx);
      await assertVaultFits(tx, ports.vault);
      const keys = await readKeysOf(tx, known.purpose);
      const key = keys.find((candidate) => candidate.kid === input.kid);
      if (!key) throw keyUnknown();
      if (key.compromised_at === null && spare) {
        const plan = planCompromise(keys, key, nowMs);
        await markCompromised(tx, key.kid, {
          at: nowMs,
          reason: input.reason,
          signsUntil: plan.signsUntil,
          leavesAt: leavesAt(nowMs, key.longest_token_seconds, policy),
        });
        const replacedBy = await putIn(tx, { keys, key, plan, spare }, { policy, nowMs, caller });
        await recordEvent(tx, caller, keyCompromised, {
          target: { kind: 'key', id: key.kid },
          detail: { reason: input.reason, replaced_by: replacedBy },
        });
        tx.afterCommit(ports.keysChanged);
      }
      return answerOf(await readKeysOf(tx, known.purpose), key.kid, nowMs);
    });
  });
}

const replacementFor = (ports: CompromisePorts, key: KeyRow, policy: KeyPolicy): SealedKey | Promise<SealedKey> =>
  key.alg === 'HS256'
    ? sealRandom(ports, key.purpose)
    : makeKeyPair(ports.vault, key.purpose, algorithmOf(key.purpose, policy));

/** Returns the kid that signs in the compromised one's place; null where it did not sign. */
async function putIn(
  tx: Tx,
  change: {
    readonly keys: readonly KeyRow[];
    readonly key: KeyRow;
    readonly plan: CompromisePlan;
    readonly spare: SealedKey;
  },
  at: { readonly policy: KeyPolicy; readonly nowMs: number; readonly caller: Caller },
): Promise<string | null> {
  const { keys, key: compromised, plan, spare } = change;
  const { signs_until: signsUntil } = compromised;
  const { advance, extend, replaceFrom } = plan;
  const move = async (kid: string, range: (key: KeyRow) => Partial<KeyRow>): Promise<string> => {
    const key = keys.find((candidate) => candidate.kid === kid) as KeyRow;
    await setKeyRange(tx, kid, { ...key, ...range(key) }, key.longest_token_seconds);
    return kid;
  };
  if (advance) return move(advance.kid, () => ({ signs_from: advance.signsFrom }));
  if (extend)
    return move(extend, (row) => ({
      signs_until: signsUntil,
      leaves_at: signsUntil === null ? null : leavesAt(signsUntil, row.longest_token_seconds, at.policy),
    }));
  return replaceFrom === null ? null : publishKey(tx, spare, { ...at, signsFrom: replaceFrom });
}

function answerOf(keys: readonly KeyRow[], kid: string, nowMs: number): CompromiseAnswer {
  const key = keys.find((candidate) => candidate.kid === kid) as KeyRow;
  const signer = keys.find((candidate) => signsAt(candidate, nowMs));
  // The replacement of a compromised signer has taken over its whole range.
  const replacement = keys.find((other) => other.compromised_at === null && other.signs_from === key.signs_from);
  return {
    key: keyViewOf(key, nowMs),
    signer: signer ? keyViewOf(signer, nowMs) : null,
    notice: noticeOf(replacement, nowMs),
  };
}

function noticeOf(replacement: KeyRow | undefined, nowMs: number): string {
  if (replacement === undefined) return 'The key did not sign; the signer is unchanged.';
  const refetch = 'a verifier with a cached key set must fetch the key set again when it sees the new kid.';
  return nowMs < replacement.signs_from
    ? `The replacement signs when the key would have, possibly before a whole hold period: ${refetch}`
    : `The replacement signs immediately, without the hold period: ${refetch}`;
}
