import type { Tx, Vault } from '#services/core/ports.ts';
import { lockKeys } from '../keys.store.ts';
import { assertVaultFits } from '../publish-key.ts';

/**
 * For other modules that add a sealed value for years: waits for a change of the key-encryption key, and refuses to
 * seal under one that the database no longer uses.
 * @throws KeyMaterialError when this vault does not open the database's secrets
 */
export async function lockSealing(tx: Tx, vault: Vault): Promise<void> {
  await lockKeys(tx);
  await assertVaultFits(tx, vault);
}
