import { expect, test } from 'vitest';
import { createTableDigest } from './table-digest.ts';

const sumOf = (text: string, size = text.length) => {
  const digest = createTableDigest();
  for (let at = 0; at < text.length; at += size) digest.addBytes(Buffer.from(text.slice(at, at + size)));
  return digest.sum();
};

test('rows count alike in any order and however they are cut', () => {
  const expected = sumOf('a\t1\nb\t2\nc\t3\n');
  expect(expected.rows).toBe(3);
  expect(sumOf('c\t3\na\t1\nb\t2\n')).toEqual(expected);
  for (const size of [1, 3, 5]) expect(sumOf('a\t1\nb\t2\nc\t3\n', size)).toEqual(expected);
  const digest = createTableDigest();
  for (const row of ['b\t2\n', 'a\t1\n', 'c\t3\n']) digest.addRow(Buffer.from(row));
  expect(digest.sum()).toEqual(expected);
});

test('a row that is changed, lost or doubled changes the digest', () => {
  const digests = ['a\nb\n', 'a\nc\n', 'a\n', 'a\nb\nb\n', ''].map((text) => sumOf(text).digest);
  expect(new Set(digests).size).toBe(digests.length);
});

test('more rows than one carry takes are summed without loss', () => {
  const row = Buffer.from('x\n');
  const carried = createTableDigest({ carryEvery: 3 });
  const once = createTableDigest();
  for (let count = 0; count < 1_000; count += 1) for (const each of [carried, once]) each.addRow(row);
  expect(carried.sum()).toEqual(once.sum());
  expect(carried.sum()).toMatchObject({ rows: 1_000 });
});
