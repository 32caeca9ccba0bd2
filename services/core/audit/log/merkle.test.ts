import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { beforeAll, describe, expect, test } from 'vitest';
import { edgeRoot, edgeTiles, emptyEdge, growTree, type TreeEdge } from './grow-tree.ts';
import { consistencySpans, emptyRoot, HASH_BYTES, hashLeaf, hashNode, inclusionSpans, rootSpan } from './merkle.ts';
import {
  checkpointText,
  cosignatureTime,
  NoteError,
  openNote,
  parseCheckpoint,
  parseNote,
  parseVkey,
  verifiesNote,
  vkeyOf,
} from './note.ts';
import { formatProof, parseProof } from './proof.ts';
import {
  entryBundle,
  hashSpans,
  parseTilePath,
  TileMissingError,
  tilePath,
  tilePrefix,
  tilesOf,
  tileWidth,
} from './tiles.ts';

type Path = { readonly at: number; readonly hashes: readonly string[] };
type GoVectors = {
  readonly trees: readonly {
    readonly size: number;
    readonly root: string;
    readonly tiles_sha256: string;
    readonly inclusion: readonly Path[];
    readonly consistency: readonly Path[];
  }[];
  readonly log_vkey: string;
  readonly note: string;
  readonly proof: string;
  readonly witness_vkey: string;
  readonly cosigned: string;
};

/**
 * Recorded from golang.org/x/mod 0.42.0, transparency-dev/merkle 0.0.2 and transparency-dev/formats 0.1.1: leaf i is the
 * text `sallyport leaf i`. `tools/tlog-conformance` runs the same libraries against a running log.
 */
const go = JSON.parse(readFileSync(new URL('./go-vectors.json', import.meta.url), 'utf8')) as GoVectors;

/** A tree grown in memory. */
class Tree {
  edge: TreeEdge = emptyEdge;
  readonly #tiles = new Map<string, Buffer>();
  grow(leafHashes: readonly Buffer[]): void {
    const grown = growTree(this.edge, leafHashes);
    for (const { level, n, hashes } of grown.tiles) this.#tiles.set(`${level}/${n}`, hashes);
    this.edge = grown.edge;
  }
  get(level: number, n: number): Buffer | undefined {
    return this.#tiles.get(`${level}/${n}`);
  }
  drop(level: number, n: number): void {
    this.#tiles.delete(`${level}/${n}`);
  }
}

const base64 = (hashes: readonly Buffer[]): string[] => hashes.map((hash) => hash.toString('base64'));

// RFC 6962 §2.1 written as the definition, without optimization.
const split = (count: number): number => 2 ** Math.ceil(Math.log2(count) - 1);
function plainRoot(leaves: readonly Buffer[]): Buffer {
  if (leaves.length === 0) return createHash('sha256').digest();
  if (leaves.length === 1) return leaves[0] as Buffer;
  const k = split(leaves.length);
  return hashNode(plainRoot(leaves.slice(0, k)), plainRoot(leaves.slice(k)));
}
function plainPath(m: number, leaves: readonly Buffer[]): Buffer[] {
  if (leaves.length === 1) return [];
  const k = split(leaves.length);
  return m < k
    ? [...plainPath(m, leaves.slice(0, k)), plainRoot(leaves.slice(k))]
    : [...plainPath(m - k, leaves.slice(k)), plainRoot(leaves.slice(0, k))];
}
function plainSubproof(m: number, leaves: readonly Buffer[], isWhole: boolean): Buffer[] {
  if (m === leaves.length) return isWhole ? [] : [plainRoot(leaves)];
  const k = split(leaves.length);
  return m <= k
    ? [...plainSubproof(m, leaves.slice(0, k), isWhole), plainRoot(leaves.slice(k))]
    : [...plainSubproof(m - k, leaves.slice(k), false), plainRoot(leaves.slice(0, k))];
}

describe('golden vectors', () => {
  test('leaf, node and root of a, b, c', () => {
    const [a, b, c] = ['a', 'b', 'c'].map((text) => hashLeaf(Buffer.from(text))) as [Buffer, Buffer, Buffer];
    expect(a.toString('hex')).toMatch(/^022a6979e6da.*24f93c$/);
    expect(hashNode(a, b).toString('hex')).toMatch(/^b137985ff484.*7999eb$/);
    const tree = new Tree();
    tree.grow([a, b, c]);
    expect(edgeRoot(tree.edge).toString('base64')).toBe('NmQuc8JUCrEh46a/lUWwokmCzYMOsT080Z3jzmwCHsE=');
    expect(hashSpans(inclusionSpans(1, 3), tree)).toEqual([a, c]);
    expect(hashSpans(consistencySpans(2, 3), tree)).toEqual([c]);
  });
});

describe('trees and proofs equal those of the Go libraries', () => {
  const leafHashes: Buffer[] = [];
  beforeAll(() => {
    for (let at = 0; at < 70_000; at += 1) leafHashes.push(hashLeaf(Buffer.from(`sallyport leaf ${at}`)));
  });

  test.each(go.trees)(
    'root, tiles and proofs of $size leaves',
    ({ size, root, tiles_sha256, inclusion, consistency }) => {
      const tree = new Tree();
      // Batches that do not end at a tile boundary.
      for (let at = 0; at < size; at += 1_777) tree.grow(leafHashes.slice(at, Math.min(size, at + 1_777)));
      expect(edgeRoot(tree.edge).toString('hex')).toBe(root);
      expect(hashSpans([rootSpan(size)], tree)[0]?.toString('hex')).toBe(root);
      const tiles = createHash('sha256');
      for (let level = 0; tileWidth(level, 0, size) > 0; level += 1)
        for (let n = 0; tileWidth(level, n, size) > 0; n += 1) {
          const tile = tree.get(level, n) as Buffer;
          expect(tile.length).toBe(tileWidth(level, n, size) * HASH_BYTES);
          tiles.update(tile);
        }
      expect(tiles.digest('hex')).toBe(tiles_sha256);
      for (const { at, hashes } of inclusion)
        expect(base64(hashSpans(inclusionSpans(at, size), tree)), `leaf ${at}`).toEqual(hashes);
      for (const { at, hashes } of consistency)
        expect(base64(hashSpans(consistencySpans(at, size), tree)), `from ${at}`).toEqual(hashes);
    },
  );

  test('note, vkey, proof and cosignature parse, and format to the same text', () => {
    const key = parseVkey(go.log_vkey);
    expect(vkeyOf(key)).toBe(go.log_vkey);
    const { text, by } = openNote(go.note, [key]);
    expect(by).toEqual([key]);
    expect(checkpointText(parseCheckpoint(text))).toBe(text);
    const proof = parseProof(go.proof);
    expect(formatProof(proof)).toBe(go.proof);
    expect(proof).toMatchObject({ index: 1000, checkpoint: go.note });
    const witness = parseVkey(go.witness_vkey);
    expect(openNote(go.cosigned, [key, witness]).by).toEqual([key, witness]);
    const cosignature = parseNote(go.cosigned).signatures[1];
    expect(cosignature && cosignatureTime(cosignature)).toBeGreaterThan(1_700_000_000);
    expect(cosignature && verifiesNote(witness, `${text}x\n`, cosignature)).toBe(false);
    const changed = go.cosigned.replace(`\n${parseCheckpoint(text).size}\n`, '\n70001\n');
    expect(() => openNote(changed, [key])).toThrow(NoteError);
  });
});

describe('properties', () => {
  const leaves = (count: number): Buffer[] =>
    Array.from({ length: count }, (_, at) => hashLeaf(Buffer.from(`leaf ${at}`)));

  test('for any sequence of batches, root, edge and every proof equal those of RFC 6962', () => {
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: 0, max: 700 }), { minLength: 1, maxLength: 6 }),
        fc.nat(),
        fc.nat(),
        (batches, indexDraw, oldDraw) => {
          const size = batches.reduce((sum, batch) => sum + batch, 0);
          const all = leaves(size);
          const tree = new Tree();
          let at = 0;
          for (const batch of batches) {
            tree.grow(all.slice(at, at + batch));
            at += batch;
          }
          expect(edgeRoot(tree.edge)).toEqual(plainRoot(all));
          for (const { level, n, width } of edgeTiles(size))
            expect(tree.edge.levels[level]).toEqual(tree.get(level, n)?.subarray(0, width * HASH_BYTES));
          if (size === 0) return;
          const index = indexDraw % size;
          expect(hashSpans(inclusionSpans(index, size), tree)).toEqual(plainPath(index, all));
          const old = (oldDraw % size) + 1;
          expect(hashSpans(consistencySpans(old, size), tree)).toEqual(plainSubproof(old, all, true));
          // Also against an older head, from the current tiles.
          expect(hashSpans([rootSpan(old)], tree)).toEqual([plainRoot(all.slice(0, old))]);
        },
      ),
      { numRuns: 60 },
    );
  });

  test('a proof reads only the tiles of `tilesOf`, and the error names a missing or short tile', () => {
    const tree = new Tree();
    tree.grow(leaves(600));
    const spans = inclusionSpans(300, 600);
    const needed = tilesOf(spans);
    const asked = new Set<string>();
    hashSpans(spans, {
      get: (level, n) => {
        asked.add(`${level}/${n}`);
        return tree.get(level, n);
      },
    });
    expect([...asked].sort()).toEqual(needed.map(({ level, n }) => `${level}/${n}`).sort());
    tree.drop(0, 1);
    expect(() => hashSpans(spans, tree)).toThrow(TileMissingError);
    expect(() => hashSpans(spans, tree)).toThrow('tile/0/001');
  });

  test('rejects a proof of a leaf that does not exist', () => {
    expect(() => inclusionSpans(3, 3)).toThrow(RangeError);
    expect(() => inclusionSpans(-1, 3)).toThrow(RangeError);
    expect(() => consistencySpans(4, 3)).toThrow(RangeError);
    expect(consistencySpans(0, 3)).toEqual([]);
    expect(emptyRoot().toString('hex')).toBe(createHash('sha256').digest('hex'));
  });

  test('sizes above 2^32 split like small ones', () => {
    expect(inclusionSpans(2 ** 40, 2 ** 40 + 1)).toEqual([[{ level: 40, index: 0 }]]);
    expect(rootSpan(2 ** 40 + 2)).toEqual([
      { level: 40, index: 0 },
      { level: 1, index: 2 ** 39 },
    ]);
  });
});

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
    ...'tile/0/1 tile/00/001 tile/64/001 tile/0/x000/001 tile/0/001.p/0 tile/0/001.p/256 tile/0/001.p/01'.split(' '),
    ...'tile/0/001/002 tile/data/001 /tile/0/001 tile/0/001\n tile/0/../001'.split(' '),
  ])('no other text names a tile: %j', (path) => expect(parseTilePath(path)).toBeNull());
});

test('the width of a tile follows from the size of the tree', () => {
  expect([[0, 1, 2].map((n) => tileWidth(0, n, 257)), tileWidth(1, 0, 255)]).toEqual([[256, 1, 0], 0]);
  expect([tileWidth(1, 0, 70_000), tileWidth(1, 1, 70_000), tileWidth(2, 0, 70_000)]).toEqual([256, 17, 1]);
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
