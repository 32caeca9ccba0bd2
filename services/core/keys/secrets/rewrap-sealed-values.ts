import { withSpan } from '#observability/http-span.ts';
import { recordEvent } from '#services/core/audit/record-event.ts';
import type { Caller, Ports, Vault } from '#services/core/ports.ts';
import { keyEncryptionChanged } from '../audit-events.ts';
import { anotherKeyEncryptionKey, KeyMaterialError } from '../key-material.ts';
import { lockKeys } from '../keys.store.ts';
import { readSealedValues, type SealedValue, writeSealedValues } from './sealed-values.store.ts';

export type RewrapAnswer = {
  readonly sealed: number;
  /** Values sealed under the previous key-encryption key; re-encrypted now, unless `onlyLook`. */
  readonly rewrapped: number;
};

/**
 * Re-encrypts every value of the previous key-encryption key under the current one, in one transaction: all or nothing;
 * a second run changes nothing. Without `previous` it only checks that the current key opens everything. `onlyLook`
 * writes nothing.
 * @throws KeyMaterialError when a value opens with neither; nothing is written then
 */
export const rewrapSealedValues = (
  ports: Pick<Ports, 'transact' | 'vault'>,
  input: { readonly previous?: Vault | undefined; readonly onlyLook?: boolean },
  caller: Caller,
): Promise<RewrapAnswer> =>
  withSpan('rewrap-sealed-values', {}, () =>
    ports.transact(async (tx) => {
      await lockKeys(tx);
      const values = await readSealedValues(tx);
      const stale = values.filter((value) => !isSealedBy(ports.vault, value));
      const answer = { sealed: values.length, rewrapped: stale.length };
      if (stale.length === 0) return answer;
      const renewed = renew(stale, input.previous, ports.vault, values.length);
      if (input.onlyLook) return answer;
      await writeSealedValues(tx, renewed);
      await recordEvent(tx, caller, keyEncryptionChanged, { detail: { values: renewed.length } });
      return answer;
    }),
  );

/** The plain value, or undefined where this vault did not seal it. */
function openedWith(vault: Vault, { sealed, context }: SealedValue): Buffer | undefined {
  try {
    return vault.open(sealed, context);
  } catch {
    return undefined;
  }
}

function isSealedBy(vault: Vault, value: SealedValue): boolean {
  const plain = openedWith(vault, value);
  plain?.fill(0);
  return plain !== undefined;
}

function renew(
  stale: readonly SealedValue[],
  previous: Vault | undefined,
  present: Vault,
  total: number,
): SealedValue[] {
  if (previous === undefined) throw anotherKeyEncryptionKey();
  return stale.map((value) => {
    const plain = openedWith(previous, value);
    if (plain === undefined)
      throw new KeyMaterialError(
        `some of the ${total} sealed values in this database open neither with KEY_ENCRYPTION_KEY nor with KEY_ENCRYPTION_KEY_PREVIOUS`,
        'set KEY_ENCRYPTION_KEY_PREVIOUS to the key-encryption key that sealed them',
      );
    const sealed = present.seal(plain, value.context);
    plain.fill(0);
    return { ...value, sealed };
  });
}
