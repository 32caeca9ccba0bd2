import { recordEvent } from '../audit/record-event.ts';
import type { Caller, Ports, Tx } from '../ports.ts';
import { keyCompromised } from './audit-events.ts';
import { makeKeyPair, type SealedKey } from './key-material.ts';
import { algorithmOf, type KeyPolicy, leavesAt, planCompromise, signsAtOnceFrom } from './key-timeline.ts';
import { type KeyRow, lockKeys, markCompromised, readKeys, readKeysOf } from './keys.store.ts';
import { assertVaultFits, publishKey } from './publish-key.ts';
import { requirePolicy } from './rotate-signing-keys.ts';
import { sealRandom } from './secrets/ensure-shared-secret.ts';

type ReplacePorts = Pick<Ports, 'sql' | 'vault' | 'random'>;

type KeyReplacements = { readonly policy: KeyPolicy; readonly byPurpose: ReadonlyMap<string, SealedKey> };

const isLive = (key: KeyRow, nowMs: number): boolean =>
  key.compromised_at === null && (key.leaves_at === null || key.leaves_at > nowMs);

/** Generates one new key for every purpose in use, before the transaction that needs them. */
export async function makeReplacements(ports: ReplacePorts): Promise<KeyReplacements> {
  const policy = await requirePolicy(ports.sql);
  const byPurpose = new Map<string, SealedKey>();
  for (const { purpose, alg } of await readKeys(ports.sql))
    if (!byPurpose.has(purpose))
      byPurpose.set(
        purpose,
        alg === 'HS256'
          ? sealRandom(ports, purpose)
          : await makeKeyPair(ports.vault, purpose, algorithmOf(purpose, policy)),
      );
  return { policy, byPurpose };
}

/**
 * Runs inside the caller's transaction: marks every key that still signs or verifies as compromised; one new key per
 * purpose that had a signer replaces it immediately. For a database restored from a backup.
 */
export async function replaceAllKeys(
  ports: Pick<Ports, 'vault'>,
  tx: Tx,
  replacements: KeyReplacements,
  reason: string,
  caller: Caller,
): Promise<{ readonly compromised: readonly string[]; readonly created: readonly string[] }> {
  const { policy, byPurpose } = replacements;
  const nowMs = await lockKeys(tx);
  await assertVaultFits(tx, ports.vault);
  const live = (await readKeys(tx)).filter((key) => isLive(key, nowMs));
  for (const key of live) {
    const { signsUntil } = planCompromise([], key, nowMs);
    const leaves = leavesAt(nowMs, key.longest_token_seconds, policy);
    await markCompromised(tx, key.kid, { at: nowMs, reason, signsUntil, leavesAt: leaves });
    const target = { kind: 'key', id: key.kid } as const;
    await recordEvent(tx, caller, keyCompromised, { target, detail: { reason } });
  }
  const created: string[] = [];
  for (const purpose of new Set(live.filter((key) => key.signs_until === null).map((key) => key.purpose))) {
    const key = byPurpose.get(purpose);
    const signsFrom = signsAtOnceFrom(await readKeysOf(tx, purpose), nowMs);
    if (key) created.push(await publishKey(tx, key, { policy, nowMs, signsFrom, caller }));
  }
  return { compromised: live.map((key) => key.kid), created };
}
