import { createPublicKey, type KeyObject, sign } from 'node:crypto';
import { calculateJwkThumbprint } from 'jose';
import { type NoteKey, type NoteSigner, noteKey } from '#services/core/audit/log/note.ts';
import type { KeyClaim, LogSigner } from '#services/core/audit/seal/log-signer.ts';
import type { Caller, Ports, Tx } from '#services/core/ports.ts';
import { KeyMaterialError, makeKeyPair, publicJwkOf, type SealedKey, signingKeyOf } from '../key-material.ts';
import { type KeyPolicy, LOG_PURPOSE, openEnded, signsAtOnceFrom, stateOf } from '../key-timeline.ts';
import { type KeyRow, readDatabaseClock, readKey, readKeysOf } from '../keys.store.ts';
import { assertVaultFits, publishKey } from '../publish-key.ts';

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

/** The audit log's first key, where it has none. Generated before the transaction that publishes it. */
export async function makeLogKey(ports: Pick<Ports, 'sql' | 'vault'>): Promise<SealedKey | null> {
  const isThere = openEnded(await readKeysOf(ports.sql, LOG_PURPOSE)) !== undefined;
  return isThere ? null : makeKeyPair(ports.vault, LOG_PURPOSE, 'EdDSA');
}

/** Runs under the key writers' lock. Does nothing if another start has already created the key. */
export async function publishLogKey(
  tx: Tx,
  spare: SealedKey | null,
  at: { readonly policy: KeyPolicy; readonly nowMs: number; readonly caller: Caller },
): Promise<void> {
  const present = await readKeysOf(tx, LOG_PURPOSE);
  if (spare && !openEnded(present))
    await publishKey(tx, spare, { ...at, signsFrom: signsAtOnceFrom(present, at.nowMs) });
}

/** Raw Ed25519 point, 32 bytes. */
export const rawPublicKey = (row: KeyRow): Buffer => Buffer.from(publicJwkOf(row).x as string, 'base64url');

/**
 * The audit log's keys under the name of one log (its origin), the newest last: the keys that sign, and retired keys,
 * which verify old proofs. Compromised keys are left out.
 */
export async function readLogKeys({ sql }: Pick<Ports, 'sql'>, origin: string): Promise<NoteKey[]> {
  const rows = await readKeysOf(sql, LOG_PURPOSE);
  return rows.filter((row) => row.compromised_at === null).map((row) => noteKey(origin, rawPublicKey(row)));
}

/**
 * Signs checkpoints with the current key, and with its successor from the day it is created: while both sign, verifiers
 * change the key they pin.
 */
export function createLogSigner(ports: Pick<Ports, 'sql' | 'vault'>): LogSigner {
  let opened = new Map<string, KeyObject>();
  return {
    async signers(origin) {
      const nowMs = await readDatabaseClock(ports.sql);
      const rows = (await readKeysOf(ports.sql, LOG_PURPOSE)).filter(
        (row) => row.sealed_private_key !== '' && ['active', 'pending'].includes(stateOf(row, nowMs)),
      );
      opened = new Map(rows.map((row) => [row.kid, opened.get(row.kid) ?? signingKeyOf(ports.vault, row)]));
      return rows.map((row) => signerOf(origin, opened.get(row.kid) as KeyObject));
    },
    ownsKey: (claim) => ownsKey(ports, claim),
  };
}

export function signerOf(origin: string, key: KeyObject): NoteSigner {
  const { x } = createPublicKey(key).export({ format: 'jwk' });
  return { key: noteKey(origin, Buffer.from(x as string, 'base64url')), sign: (message) => sign(null, message, key) };
}
