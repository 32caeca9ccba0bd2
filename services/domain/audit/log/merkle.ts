import { createHash } from 'node:crypto';

/** Bytes of a hash, everywhere in the log. */
export const HASH_BYTES = 32;

const LEAF_PREFIX = Buffer.from([0]);
const NODE_PREFIX = Buffer.from([1]);

/** RFC 6962 §2.1: SHA-256(0x00 ‖ leaf). */
export const hashLeaf = (leaf: Uint8Array): Buffer => createHash('sha256').update(LEAF_PREFIX).update(leaf).digest();

/** RFC 6962 §2.1: SHA-256(0x01 ‖ left ‖ right). */
export const hashNode = (left: Uint8Array, right: Uint8Array): Buffer =>
  createHash('sha256').update(NODE_PREFIX).update(left).update(right).digest();

/** The root of a tree without leaves: SHA-256 of nothing. */
export const emptyRoot = (): Buffer => createHash('sha256').digest();

/** A complete subtree: the leaves from `index * 2^level` up to, not including, `(index + 1) * 2^level`. */
export type Subtree = { readonly level: number; readonly index: number };

/** Complete subtrees side by side whose fold is one hash of a proof, or a root. */
export type Span = readonly Subtree[];

// Arithmetic instead of bit operators: sizes pass 2^32.
function splitOf(count: number): number {
  let power = 1;
  while (power * 2 < count) power *= 2;
  return power;
}

/** The complete subtrees of leaves `from` to `to`, largest first, as RFC 6962 splits them. */
function spanOf(from: number, to: number): Span {
  const span: Subtree[] = [];
  for (let at = from; at < to; ) {
    let width = 1;
    let level = 0;
    while (width * 2 <= to - at) {
      width *= 2;
      level += 1;
    }
    span.push({ level, index: at / width });
    at += width;
  }
  return span;
}

/** What the root of a tree of `size` leaves is folded from. */
export const rootSpan = (size: number): Span => spanOf(0, size);

/**
 * The spans whose hashes prove leaf `index` in a tree of `size` leaves, nearest first (RFC 6962 §2.1.1).
 * @throws RangeError unless 0 ≤ index < size
 */
export function inclusionSpans(index: number, size: number): Span[] {
  if (!(Number.isSafeInteger(index) && Number.isSafeInteger(size) && index >= 0 && index < size))
    throw new RangeError(`no leaf ${index} in a tree of ${size}`);
  const spans: Span[] = [];
  let from = 0;
  let to = size;
  while (to - from > 1) {
    const middle = from + splitOf(to - from);
    if (index < middle) {
      spans.unshift(spanOf(middle, to));
      to = middle;
    } else {
      spans.unshift(spanOf(from, middle));
      from = middle;
    }
  }
  return spans;
}

/**
 * The spans whose hashes prove that a tree of `oldSize` leaves begins one of `size` (RFC 6962 §2.1.2). Empty where the
 * old tree is empty or the same.
 * @throws RangeError unless 0 ≤ oldSize ≤ size
 */
export function consistencySpans(oldSize: number, size: number): Span[] {
  if (!(Number.isSafeInteger(oldSize) && Number.isSafeInteger(size) && oldSize >= 0 && oldSize <= size))
    throw new RangeError(`a tree of ${oldSize} does not begin one of ${size}`);
  if (oldSize === 0 || oldSize === size) return [];
  const spans: Span[] = [];
  let from = 0;
  let to = size;
  // Until the old tree is a whole subtree of the new one; at the very left it needs no hash, for its holder knows it.
  while (oldSize < to) {
    const middle = from + splitOf(to - from);
    if (oldSize <= middle) {
      spans.unshift(spanOf(middle, to));
      to = middle;
    } else {
      spans.unshift(spanOf(from, middle));
      from = middle;
    }
  }
  return from === 0 ? spans : [spanOf(from, to), ...spans];
}

/** The hash over neighbours: each with everything to its right. Empty: the empty root. */
export function foldHashes(hashes: readonly Uint8Array[]): Buffer {
  const last = hashes.at(-1);
  if (last === undefined) return emptyRoot();
  let folded = Buffer.from(last);
  for (let at = hashes.length - 2; at >= 0; at -= 1) folded = Buffer.from(hashNode(hashes[at] as Uint8Array, folded));
  return folded;
}
