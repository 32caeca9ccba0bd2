import { noteKey, openNote, signNote } from '#services/core/audit/log/note.ts';
import { rotationName, rotationText } from '#services/core/audit/log/rotation.ts';
import { listOrigins } from '#services/core/audit/read/read-log.ts';
import type { Ports, Tx, Vault } from '#services/core/ports.ts';
import { signingKeyOf } from '../key-material.ts';
import { LOG_PURPOSE } from '../key-timeline.ts';
import { readKeysOf, setRotationNote } from '../keys.store.ts';
import { rawPublicKey, signerOf } from './log-keys.ts';

/**
 * Gives each key of the audit log that has none the note of the key before it, if that private key still exists: also
 * to keys that an earlier version created. The note is signed with a key from the vault, and its content is not read
 * from events, so a row that an attacker writes cannot cause it. Nothing pins a key before a log is open, so nothing is
 * written then. The caller holds the key writers' lock.
 */
export async function writeRotationNotes(tx: Tx, vault: Vault): Promise<void> {
  const origin = (await listOrigins({ sql: tx })).at(-1)?.origin;
  if (origin === undefined) return;
  const keys = (await readKeysOf(tx, LOG_PURPOSE)).filter((row) => row.compromised_at === null);
  for (const [at, next] of keys.entries()) {
    const old = keys[at - 1];
    if (old === undefined || old.sealed_private_key === '' || next.rotation_note !== null) continue;
    const signer = signerOf(origin, signingKeyOf(vault, old));
    const note = signNote(rotationText(signer.key, noteKey(origin, rawPublicKey(next))), [signer]);
    await setRotationNote(tx, next.kid, note);
  }
}

/**
 * The notes by which keys of the audit log were replaced, oldest first. A note of a compromised key is left out: that
 * key vouches for nothing.
 */
export async function readRotationNotes({ sql }: Pick<Ports, 'sql'>): Promise<string[]> {
  const keys = (await readKeysOf(sql, LOG_PURPOSE)).filter((row) => row.compromised_at === null);
  return keys.flatMap(({ rotation_note: note }) => {
    if (note === null) return [];
    try {
      const name = rotationName(note);
      openNote(
        note,
        keys.map((key) => noteKey(name, rawPublicKey(key))),
      );
      return [note];
    } catch {
      return [];
    }
  });
}
