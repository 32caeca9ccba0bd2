import { createHash } from 'node:crypto';

const FIRST_SLOTS = 1_024;

/**
 * A set of texts of which it keeps 64 bits each, in 20 to 40 bytes: ids and addresses of a million records fit in 80 MB.
 * Two of a million different texts are taken for one with a probability of 1 in 36 million.
 */
export function createSeen(): { add(text: string): boolean } {
  const notes = createNotes();
  return {
    /** False if it was added before. */
    add: (text) => {
      if (notes.get(text) !== undefined) return false;
      notes.set(text, 0);
      return true;
    },
  };
}

/** The same with two bytes for each text. */
export function createNotes(): { get(text: string): number | undefined; set(text: string, note: number): void } {
  let slots = new BigUint64Array(FIRST_SLOTS);
  let notes = new Uint16Array(FIRST_SLOTS);
  let count = 0;
  // Zero marks an empty slot.
  const keyOf = (text: string): bigint => createHash('sha256').update(text).digest().readBigUInt64LE(0) || 1n;
  /** The slot of the key, or the empty one where it belongs. */
  const slotOf = (key: bigint): number => {
    const mask = slots.length - 1;
    let at = Number(key & 0xffffffffn) & mask;
    while (slots[at] !== 0n && slots[at] !== key) at = (at + 1) & mask;
    return at;
  };
  const grow = (): void => {
    const [oldSlots, oldNotes] = [slots, notes];
    slots = new BigUint64Array(oldSlots.length * 2);
    notes = new Uint16Array(oldSlots.length * 2);
    for (const [from, key] of oldSlots.entries()) {
      if (key === 0n) continue;
      const at = slotOf(key);
      slots[at] = key;
      notes[at] = oldNotes[from] as number;
    }
  };
  return {
    get: (text) => {
      const at = slotOf(keyOf(text));
      return slots[at] === 0n ? undefined : notes[at];
    },
    set: (text, note) => {
      if (count * 2 >= slots.length) grow();
      const key = keyOf(text);
      const at = slotOf(key);
      if (slots[at] === 0n) count += 1;
      slots[at] = key;
      notes[at] = note;
    },
  };
}
