import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { entryBundle, parseTilePath, tilePath, tilePrefix, tileWidth } from './tiles.ts';

describe('paths', () => {
  test.each([
    [{ level: 0, n: 1_234_067, width: 256 }, 'tile/0/x001/x234/067'],
    [{ level: 1, n: 0, width: 1 }, 'tile/1/000.p/1'],
    [{ level: 'entries', n: 999, width: 255 }, 'tile/entries/999.p/255'],
    [{ level: 'entries', n: 1_000, width: 256 }, 'tile/entries/x001/000'],
  ] as const)('%o is %s', (id, path) => {
    expect(tilePath(id)).toBe(path);
    expect(parseTilePath(path)).toEqual(id);
  });

  test('parses every path that it writes', () => {
    const level = fc.oneof(fc.integer({ min: 0, max: 7 }), fc.constant('entries' as const));
    fc.assert(
      fc.property(
        level,
        fc.integer({ min: 0, max: 10 ** 15 - 1 }),
        fc.integer({ min: 1, max: 256 }),
        (level, n, width) => {
          expect(parseTilePath(tilePath({ level, n, width }))).toEqual({ level, n, width });
        },
      ),
    );
  });

  test.each([
    'tile/0/1',
    'tile/00/001',
    'tile/64/001',
    'tile/0/x000/001',
    'tile/0/001.p/0',
    'tile/0/001.p/256',
    'tile/0/001.p/01',
    'tile/0/001/002',
    'tile/data/001',
    '/tile/0/001',
    'tile/0/001\n',
    'tile/0/../001',
  ])('no other text names a tile: %j', (path) => expect(parseTilePath(path)).toBeNull());
});

test('the width of a tile follows from the size of the tree', () => {
  expect([0, 1, 2].map((n) => tileWidth(0, n, 257))).toEqual([256, 1, 0]);
  expect(tileWidth(1, 0, 255)).toBe(0);
  expect(tileWidth(1, 0, 70_000)).toBe(256);
  expect(tileWidth(1, 1, 70_000)).toBe(17);
  expect(tileWidth(2, 0, 70_000)).toBe(1);
});

test('a bundle has each leaf after its length', () =>
  expect(
    entryBundle([Buffer.from('ab'), Buffer.alloc(0), Buffer.alloc(65_535)])
      .subarray(0, 8)
      .toString('hex'),
  ).toBe('000261620000ffff'));

test('a prefix of a bundle is the bundle of its first leaves, for any lengths', () => {
  const leaf = fc.uint8Array({ maxLength: 600 });
  fc.assert(
    fc.property(fc.array(leaf, { minLength: 1, maxLength: 40 }), fc.nat(), (leaves, nat) => {
      const width = 1 + (nat % leaves.length);
      expect(tilePrefix('entries', entryBundle(leaves), width)).toEqual(entryBundle(leaves.slice(0, width)));
    }),
  );
  const hashes = Buffer.alloc(96, 7);
  expect(tilePrefix(1, hashes, 2)).toEqual(hashes.subarray(0, 64));
});
