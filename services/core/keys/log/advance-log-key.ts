import { withSpan } from '#observability/http-span.ts';
import { recordEvent } from '#services/core/audit/record-event.ts';
import type { Caller, Ports, Tx } from '#services/core/ports.ts';
import { keyPrivatePartDestroyed } from '../audit-events.ts';
import { makeKeyPair, type SealedKey } from '../key-material.ts';
import { destroysAt, type KeyPolicy, LOG_PURPOSE, planRotation, type RotationPlan } from '../key-timeline.ts';
import { destroyPrivatePart, lockKeys, readKeysOf, setKeyRange } from '../keys.store.ts';
import { assertVaultFits, publishKey } from '../publish-key.ts';
import { requirePolicy } from '../rotate-signing-keys.ts';
import { writeRotationNotes } from './rotation-notes.ts';

const ROTATION_DAYS = 365;
/** How long both keys sign, so that verifiers that pin the old key can pin the new one. */
const OVERLAP_SECONDS = 30 * 86_400;

/**
 * Creates the audit log's next key a month before the current one's year ends, and destroys the private key of the one
 * before. Both sign until then, and the old key signs a note that names the new one. `onlyWhenDue` false: creates it
 * now, unless one is already waiting. Idempotent, and safe to run concurrently.
 * @returns the kid created now, or null
 * @throws KeyMaterialError on a database no API has started on, or under another key-encryption key
 */
export const advanceLogKey = (
  ports: Pick<Ports, 'transact' | 'sql' | 'vault'>,
  input: { readonly onlyWhenDue: boolean },
  caller: Caller,
): Promise<string | null> =>
  withSpan('advance-log-key', {}, async () => {
    const policy = {
      ...(await requirePolicy(ports.sql)),
      rotation_days: ROTATION_DAYS,
      prepublish_seconds: OVERLAP_SECONDS,
    };
    const spare = await makeKeyPair(ports.vault, LOG_PURPOSE, 'EdDSA');
    return ports.transact(async (tx) => {
      const nowMs = await lockKeys(tx);
      await assertVaultFits(tx, ports.vault);
      const plan = planRotation(await readKeysOf(tx, LOG_PURPOSE), policy, nowMs, input.onlyWhenDue);
      const made = plan.kind === 'publish' ? await publish(tx, plan, spare, { policy, nowMs, caller }) : null;
      await writeRotationNotes(tx, ports.vault);
      await destroyOldParts(tx, nowMs, caller);
      return made;
    });
  });

async function publish(
  tx: Tx,
  { close, signs_from: signsFrom }: RotationPlan & { readonly kind: 'publish' },
  spare: SealedKey,
  at: { readonly policy: KeyPolicy; readonly nowMs: number; readonly caller: Caller },
): Promise<string> {
  if (close) await setKeyRange(tx, close.kid, close, at.policy.longest_token_seconds);
  return publishKey(tx, spare, { ...at, signsFrom });
}

async function destroyOldParts(tx: Tx, nowMs: number, caller: Caller): Promise<void> {
  for (const key of await readKeysOf(tx, LOG_PURPOSE)) {
    if (key.sealed_private_key === '' || nowMs < (destroysAt(key) ?? Number.POSITIVE_INFINITY)) continue;
    await destroyPrivatePart(tx, key.kid);
    await recordEvent(tx, caller, keyPrivatePartDestroyed, { target: { kind: 'key', id: key.kid } });
  }
}
