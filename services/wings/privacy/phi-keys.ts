import { recordEvent } from '#services/core/audit/record-event.ts';
import { lockSealing } from '#services/core/keys/secrets/lock-sealing.ts';
import { phiKeyContext } from '#services/core/keys/secrets/sealed-contexts.ts';
import type { Caller, Ports, Tx, Vault } from '#services/core/ports.ts';
import { phiKeyCreated } from './audit-events.ts';
import { phiKeyUnavailable } from './errors.ts';
import { insertPhiKey, type PhiKeyRow, readNewestPhiKey } from './phi-keys.store.ts';
import { KEY_BYTES, type XaesKey, xaesKey } from './xaes-256-gcm.ts';

type PhiKeys = {
  /** @throws phiKeyUnavailable (503) when this process has another key-encryption key */
  open(row: PhiKeyRow): XaesKey;
};

const remembered = new WeakMap<Vault, PhiKeys>();

/** Those of a process, which has one vault. */
export function phiKeysOf({ vault }: Pick<Ports, 'vault'>): PhiKeys {
  const keys = remembered.get(vault) ?? createPhiKeys(vault);
  remembered.set(vault, keys);
  return keys;
}

/**
 * Remembers opened keys: a copy that keeps running while another re-encrypts everything under a new key-encryption key
 * does not need the new one.
 */
function createPhiKeys(vault: Vault): PhiKeys {
  const known = new Map<number, { readonly sealed: string; readonly key: XaesKey }>();
  return {
    open({ version, sealed }) {
      const before = known.get(version);
      if (before?.sealed === sealed) return before.key;
      try {
        const plain = vault.open(sealed, phiKeyContext(version));
        const key = xaesKey(plain);
        plain.fill(0);
        known.set(version, { sealed, key });
        return key;
      } catch (cause) {
        if (before) return before.key;
        throw phiKeyUnavailable({ retryAfterSeconds: 5, cause });
      }
    },
  };
}

type KeyPorts = Pick<Ports, 'transact' | 'sql' | 'vault' | 'random'>;

/** Adds the key after the newest one; undefined when another writer was faster. The caller holds the sealing lock. */
export async function addPhiKey(
  ports: Pick<Ports, 'vault' | 'random'>,
  tx: Tx,
  caller: Caller,
): Promise<number | undefined> {
  const version = ((await readNewestPhiKey(tx))?.version ?? 0) + 1;
  const sealed = ports.vault.seal(ports.random.bytes(KEY_BYTES), phiKeyContext(version));
  if (!(await insertPhiKey(tx, { version, sealed }))) return undefined;
  await recordEvent(tx, caller, phiKeyCreated, { target: { kind: 'key', id: phiKeyContext(version) } });
  return version;
}

/** The key that wraps new data keys; creates the first one. */
export async function currentPhiKey(ports: KeyPorts, caller: Caller): Promise<PhiKeyRow> {
  const newest = await readNewestPhiKey(ports.sql);
  if (newest) return newest;
  return ports.transact(async (tx) => {
    await lockSealing(tx, ports.vault);
    if ((await readNewestPhiKey(tx)) === undefined) await addPhiKey(ports, tx, caller);
    return (await readNewestPhiKey(tx)) as PhiKeyRow;
  });
}
