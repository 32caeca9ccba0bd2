import type { Caller, Ports } from '../ports.ts';
import { addServerSecret } from './ensure-server-secrets.ts';
import { secretHoldMs } from './key-timeline.ts';
import { lockKeys, readSecrets } from './keys.store.ts';
import { assertVaultFits } from './publish-key.ts';
import { type HasKeysChanged, requirePolicy } from './rotate-signing-keys.ts';
import type { ServerSecretPurpose } from './server-secrets.ts';

/**
 * Adds a version of a server secret, used once every copy knows it. Asked again while one waits, it answers that one.
 * Refresh tokens of older versions stay valid for the longest life of a login.
 * @throws KeyMaterialError when this key-encryption key does not open the database's secrets
 */
export async function rotateServerSecret(
  ports: Pick<Ports, 'transact' | 'vault' | 'random'> & HasKeysChanged,
  input: { readonly purpose: ServerSecretPurpose },
  caller: Caller,
): Promise<{ readonly version: number; readonly activatesAt: number }> {
  return ports.transact(async (tx) => {
    const nowMs = await lockKeys(tx);
    await assertVaultFits(tx, ports.vault);
    const policy = await requirePolicy(tx);
    const newest = (await readSecrets(tx)).findLast((secret) => secret.purpose === input.purpose);
    if (newest && newest.activatesAt > nowMs) return { version: newest.version, activatesAt: newest.activatesAt };
    const version = (newest?.version ?? 0) + 1;
    const activatesAt = nowMs + secretHoldMs(policy);
    await addServerSecret(ports, tx, { purpose: input.purpose, version, createdAt: nowMs, activatesAt }, caller);
    tx.afterCommit(ports.keysChanged);
    return { version, activatesAt };
  });
}
