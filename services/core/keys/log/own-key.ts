import { calculateJwkThumbprint } from 'jose';
import type { KeyClaim } from '#services/core/audit/seal/log-signer.ts';
import type { Ports } from '#services/core/ports.ts';
import { KeyMaterialError, publicJwkOf, signingKeyOf } from '../key-material.ts';
import { type KeyRow, readKey } from '../keys.store.ts';
import { assertVaultFits } from '../publish-key.ts';

/** What an event says about a key, by the last word of its type; others say nothing that the key shows. */
const SHOWN: Readonly<Record<string, (key: KeyRow, claim: KeyClaim) => boolean>> = {
  'key.published': ({ purpose, alg }, { detail }) => detail.purpose === purpose && detail.alg === alg,
  'key.compromised': (row) => row.compromised_at !== null,
  'key.private_part_destroyed': (row) => row.sealed_private_key === '',
};

/**
 * Whether an event about a key is about a key of ours: its row exists, its kid is the thumbprint of its public key, the
 * vault opens its private part (unless that was destroyed), and the key is what the event says.
 * @throws KeyMaterialError if the vault opens nothing of this database, so that nothing is known about any key
 */
export async function ownsKey({ sql, vault }: Pick<Ports, 'sql' | 'vault'>, claim: KeyClaim): Promise<boolean> {
  await assertVaultFits(sql, vault);
  const key = claim.kid === null ? undefined : await readKey(sql, claim.kid);
  if (key === undefined || SHOWN[claim.type]?.(key, claim) === false) return false;
  if (key.alg !== 'HS256' && (await thumbprintOf(key)) !== key.kid) return false;
  if (key.sealed_private_key === '') return true;
  try {
    signingKeyOf(vault, key);
    return true;
  } catch (err) {
    if (err instanceof KeyMaterialError) return false;
    throw err;
  }
}

const thumbprintOf = (key: KeyRow): Promise<string | null> =>
  calculateJwkThumbprint(publicJwkOf(key) as Parameters<typeof calculateJwkThumbprint>[0]).catch(() => null);
