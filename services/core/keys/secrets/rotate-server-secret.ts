import type { Caller, Ports } from '#services/core/ports.ts';
import { secretHoldMs, secretRotatesAt } from '../key-timeline.ts';
import { lockKeys, readSecrets } from '../keys.store.ts';
import { assertVaultFits } from '../publish-key.ts';
import { type HasKeysChanged, requirePolicy } from '../rotate-signing-keys.ts';
import { addServerSecret } from './ensure-server-secrets.ts';
import type { ServerSecretPurpose } from './server-secrets.ts';

type ServerSecretRotation = {
  /** `pending`: a version was already waiting and is returned. */
  readonly outcome: 'created' | 'pending' | 'not_due';
  readonly version: number;
  readonly activates_at: number;
};

/**
 * Adds a version of a server secret, used once every copy has loaded it. Called again while a version waits, it returns
 * that version. Refresh tokens of older versions stay valid for the longest lifetime of a token family. `onlyWhenDue`:
 * only when the newest version is due for rotation.
 * @throws KeyMaterialError when this key-encryption key does not open the database's secrets
 */
export async function rotateServerSecret(
  ports: Pick<Ports, 'transact' | 'vault' | 'random'> & HasKeysChanged,
  input: { readonly purpose: ServerSecretPurpose; readonly onlyWhenDue?: boolean },
  caller: Caller,
): Promise<ServerSecretRotation> {
  return ports.transact(async (tx) => {
    const nowMs = await lockKeys(tx);
    await assertVaultFits(tx, ports.vault);
    const policy = await requirePolicy(tx);
    const newest = (await readSecrets(tx)).findLast((secret) => secret.purpose === input.purpose);
    const activatesAt = nowMs + secretHoldMs(policy);
    if (newest && newest.activates_at > nowMs) return answerOf('pending', newest);
    if (newest && input.onlyWhenDue && activatesAt < secretRotatesAt(newest.activates_at, policy))
      return answerOf('not_due', newest);
    const version = (newest?.version ?? 0) + 1;
    await addServerSecret(
      ports,
      tx,
      { purpose: input.purpose, version, created_at: nowMs, activates_at: activatesAt },
      caller,
    );
    tx.afterCommit(ports.keysChanged);
    return answerOf('created', { version, activates_at: activatesAt });
  });
}

const answerOf = (
  outcome: ServerSecretRotation['outcome'],
  { version, activates_at: activatesAt }: Omit<ServerSecretRotation, 'outcome'>,
): ServerSecretRotation => ({ outcome, version, activates_at: activatesAt });
