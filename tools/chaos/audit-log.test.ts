import { createHash } from 'node:crypto';
import { expect, test } from 'vitest';
import { rootsOf } from './audit-log.ts';

const sha256 = (...parts: Uint8Array[]): Buffer => createHash('sha256').update(Buffer.concat(parts)).digest();

/** RFC 6962 §2.1, as it is defined. */
function rootOf(leaves: readonly Buffer[]): Buffer {
  if (leaves.length === 1) return sha256(Buffer.of(0), leaves[0]!);
  let split = 1;
  while (split * 2 < leaves.length) split *= 2;
  return sha256(Buffer.of(1), rootOf(leaves.slice(0, split)), rootOf(leaves.slice(split)));
}

test('roots at every size are those of the definition', () => {
  const leaves = Array.from({ length: 70 }, (_, at) => Buffer.from(`leaf ${at}`));
  const roots = rootsOf(leaves, new Set(leaves.map((_, at) => at + 1)));
  expect([...roots]).toEqual(leaves.map((_, at) => [at + 1, rootOf(leaves.slice(0, at + 1)).toString('base64')]));
});
