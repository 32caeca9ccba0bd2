import { hashNode } from './merkle.ts';

/** The root that an inclusion proof leads to (RFC 9162 §2.1.3.2). Null if the path has the wrong length. */
export function inclusionRoot(leaf: Buffer, index: number, size: number, path: readonly Uint8Array[]): Buffer | null {
  if (index >= size) return null;
  // Sizes can exceed 2^32, so no bit operators.
  let node = index;
  let last = size - 1;
  let hash = leaf;
  for (const sibling of path) {
    if (last === 0) return null;
    if (node % 2 === 1 || node === last) {
      hash = hashNode(sibling, hash);
      while (node % 2 === 0 && node !== 0) {
        node /= 2;
        last = Math.floor(last / 2);
      }
    } else hash = hashNode(hash, sibling);
    node = Math.floor(node / 2);
    last = Math.floor(last / 2);
  }
  return last === 0 ? hash : null;
}
