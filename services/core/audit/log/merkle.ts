import { createHash } from 'node:crypto';

/** SHA-256. */
export const HASH_BYTES = 32;

const LEAF_PREFIX = Buffer.from([0]);
const NODE_PREFIX = Buffer.from([1]);

/** RFC 6962 §2.1: SHA-256(0x00 ‖ leaf). */
export const hashLeaf = (leaf: Uint8Array): Buffer => createHash('sha256').update(LEAF_PREFIX).update(leaf).digest();

/** RFC 6962 §2.1: SHA-256(0x01 ‖ left ‖ right). */
export const hashNode = (left: Uint8Array, right: Uint8Array): Buffer =>
  createHash('sha256').update(NODE_PREFIX).update(left).update(right).digest();

/** RFC 6962 §2.1: the root of a tree without leaves is SHA-256 of the empty string. */
export const emptyRoot = (): Buffer => createHash('sha256').digest();

/** A complete subtree: leaves from `index * 2^level` up to, not including, `(index + 1) * 2^level`. */
export type Subtree = { readonly level: number; readonly index: number };

/** Adjacent complete subtrees that fold to one hash: a node of a proof, or a root. */
export type Span = readonly Subtree[];

// Sizes can exceed 2^32, so no bit operators.
function splitOf(count: number): number {
  let power = 1;
  while (power * 2 < count) power *= 2;
  return power;
}

/** The complete subtrees of the leaves from `from` up to, not including, `to`, split as in RFC 6962, largest first. */
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

/** The subtrees that fold to the root of a tree of `size` leaves. */
export const rootSpan = (size: number): Span => spanOf(0, size);

/**
 * The spans whose hashes prove leaf `index` in a tree of `size` leaves, from the leaf up (RFC 6962 §2.1.1).
 * @throws RangeError unless 0 ≤ index < size
 */
export function inclusionSpans(index: number, size: number): Span[] {
  if (!(Number.isSafeInteger(index) && Number.isSafeInteger(size) && index >= 0 && index < size))
    throw new RangeError(`a tree of ${size} leaves has no leaf ${index}`);
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
 * The spans whose hashes prove that a tree of `size` leaves extends one of `oldSize` (RFC 6962 §2.1.2). Empty if the
 * old tree is empty or has the same size.
 * @throws RangeError unless 0 ≤ oldSize ≤ size
 */
export function consistencySpans(oldSize: number, size: number): Span[] {
  if (!(Number.isSafeInteger(oldSize) && Number.isSafeInteger(size) && oldSize >= 0 && oldSize <= size))
    throw new RangeError(`a tree of ${size} leaves cannot extend one of ${oldSize}`);
  if (oldSize === 0 || oldSize === size) return [];
  const spans: Span[] = [];
  let from = 0;
  let to = size;
  // Descends until the old tree is a complete subtree. If that is the leftmost one, the verifier knows its hash already.
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

/** Folds hashes from the right: each one with the fold of all hashes after it. No hashes give the empty root. */
export function foldHashes(hashes: readonly Uint8Array[]): Buffer {
  const last = hashes.at(-1);
  if (last === undefined) return emptyRoot();
  let folded = Buffer.from(last);
  for (let at = hashes.length - 2; at >= 0; at -= 1) folded = Buffer.from(hashNode(hashes[at] as Uint8Array, folded));
  return folded;
}
