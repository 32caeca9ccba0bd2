import { createHash } from 'node:crypto';

const FIRST_SLOTS = 1_024;

/**
 * A set of texts of which it keeps 64 bits each, in 16 to 32 bytes: ids and addresses of a million records fit in 64 MB.
 * Two of a million different texts are taken for one with a probability of 1 in 36 million.
 */
export function createSeen(): { add(text: string): boolean } {
  let slots = new BigUint64Array(FIRST_SLOTS);
  let count = 0;
  const put = (into: BigUint64Array, key: bigint): boolean => {
    const mask = into.length - 1;
    let at = Number(key & 0xffffffffn) & mask;
    for (let found = into[at]; found !== 0n; found = into[at]) {
      if (found === key) return false;
      at = (at + 1) & mask;
    }
    into[at] = key;
    return true;
  };
  const grow = (): void => {
    const larger = new BigUint64Array(slots.length * 2);
    for (const key of slots) if (key !== 0n) put(larger, key);
    slots = larger;
  };
  return {
    /** False if it was added before. */
    add: (text) => {
      if (count * 2 >= slots.length) grow();
      // Zero marks an empty slot.
      const key = createHash('sha256').update(text).digest().readBigUInt64LE(0) || 1n;
      const isNew = put(slots, key);
      if (isNew) count += 1;
      return isNew;
    },
  };
}
