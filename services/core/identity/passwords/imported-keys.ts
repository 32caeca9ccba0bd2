import { importedHashKeyContext } from '#services/core/keys/secrets/sealed-contexts.ts';
import type { Ports, Sql, Vault } from '#services/core/ports.ts';
import { signerKeyId } from '#services/platform/hasher/formats/firebase-scrypt.ts';
import { findImportedKey, insertImportedKey } from './imported-keys.store.ts';

/** Stores a key that imported digests name, sealed; repeating it changes nothing. Returns its id. */
export async function storeImportedKey(tx: Sql, { vault }: Pick<Ports, 'vault'>, key: Uint8Array): Promise<string> {
  const id = signerKeyId(key);
  await insertImportedKey(tx, id, vault.seal(key, importedHashKeyContext(id)));
  return id;
}

/** Reads these keys for the hasher. A key never changes, so that each is read and opened once. */
export function createImportedKeys({
  sql,
  vault,
}: {
  readonly sql: Sql;
  readonly vault: Vault;
}): (id: string) => Promise<Uint8Array | undefined> {
  const opened = new Map<string, Uint8Array>();
  return async (id) => {
    const known = opened.get(id);
    if (known !== undefined) return known;
    const sealed = await findImportedKey(sql, id);
    if (sealed === undefined) return undefined;
    const key = vault.open(sealed, importedHashKeyContext(id));
    opened.set(id, key);
    return key;
  };
}
