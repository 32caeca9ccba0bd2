import { randomBytes } from 'node:crypto';
import { expect, test } from 'vitest';
import { assertBackupWhole, openBackup, sealBackup } from './seal-backup.ts';
import { createTableDigest } from './table-digest.ts';

const key = Buffer.alloc(32, 1);
const random = { bytes: randomBytes };
/** Of a sealed piece, and where the first begins: see the header of `seal-backup.ts`. */
const PIECE = 65_552;
const HEAD = 67;
const TAIL = 62;

async function* inParts(bytes: Buffer, size: number): AsyncGenerator<Buffer> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}
async function joined(source: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const parts: Uint8Array[] = [];
  for await (const part of source) parts.push(part);
  return Buffer.concat(parts);
}
const seal = (plain: Buffer, size = 50_000) => joined(sealBackup({ random }, key, inParts(plain, size)));
const open = (sealed: Buffer, size = 70_000, with_ = key) => joined(openBackup(with_, inParts(sealed, size)));
const whole = (sealed: Buffer) => assertBackupWhole(inParts(sealed, 70_000));

test.each([
  ['nothing', 0],
  ['less than a piece', 10],
  ['exactly one piece', 65_536],
  ['exactly three pieces', 3 * 65_536],
  ['many pieces and a part', 5 * 65_536 + 1],
])('opens what was sealed: %s, however it is cut on the way', async (_what, bytes) => {
  const plain = randomBytes(bytes);
  for (const size of [1_000, 65_536, 1_000_000]) {
    const sealed = await seal(plain, size);
    expect((await open(sealed, size)).equals(plain)).toBe(true);
    await whole(sealed);
  }
});

test('the same content is never sealed twice in the same way, and none of it is readable', async () => {
  const plain = Buffer.from('alice@example.test'.repeat(100));
  const [one, other] = [await seal(plain), await seal(plain)];
  expect([one.equals(other), one.includes('alice@example.test')]).toEqual([false, false]);
});

test('another key is refused as such, before any content is returned', async () => {
  const sealed = await seal(randomBytes(200_000));
  await expect(open(sealed, 70_000, Buffer.alloc(32, 2))).rejects.toMatchObject({ code: 'backup_key_wrong' });
});

const plain = randomBytes(4 * 65_536 + 100);

test('an attacker who changes one bit anywhere is noticed, and the place is named', async () => {
  const sealed = await seal(plain);
  const flipped = (at: number): Buffer => {
    const copy = Buffer.from(sealed);
    copy[at] = (copy[at] as number) ^ 1;
    return copy;
  };
  for (const place of [0, 1, 4]) {
    const changed = flipped(HEAD + place * PIECE + 50);
    await expect(open(changed)).rejects.toMatchObject({
      code: 'backup_damaged',
      options: { detail: expect.stringContaining(`piece ${place} `) },
    });
    await expect(whole(changed)).rejects.toMatchObject({ code: 'backup_damaged' });
  }
  await expect(open(flipped(3))).rejects.toMatchObject({ code: 'backup_unknown_format' });
  // The salt is part of the key, and its check value too.
  await expect(open(flipped(30))).rejects.toMatchObject({ code: 'backup_key_wrong' });
  for (const fromEnd of [1, 33])
    await expect(open(flipped(sealed.length - fromEnd))).rejects.toMatchObject({ code: 'backup_damaged' });
  await expect(open(flipped(sealed.length - TAIL + 3))).rejects.toMatchObject({ code: 'backup_truncated' });
});

test('a truncated backup is named as such, wherever it was cut', async () => {
  const sealed = await seal(plain);
  for (const length of [
    20,
    HEAD - 1,
    HEAD,
    HEAD + 10,
    HEAD + PIECE,
    HEAD + 2 * PIECE,
    sealed.length - TAIL,
    sealed.length - 1,
  ]) {
    const cut = sealed.subarray(0, length);
    await expect(open(cut), `${length}`).rejects.toMatchObject({ code: 'backup_truncated' });
    await expect(whole(cut), `${length}`).rejects.toMatchObject({ code: 'backup_truncated' });
  }
  await expect(open(Buffer.alloc(0))).rejects.toMatchObject({ code: 'backup_unknown_format' });
});

test('an attacker who exchanges, repeats, removes or adds pieces is noticed, even with a checksum to match', async () => {
  const sealed = await seal(plain);
  const head = sealed.subarray(0, HEAD);
  const pieces = [0, 1, 2, 3, 4].map((at) =>
    sealed.subarray(HEAD + at * PIECE, Math.min(HEAD + (at + 1) * PIECE, sealed.length - TAIL)),
  );
  const { createHash } = await import('node:crypto');
  const built = (...order: number[]): Buffer => {
    const before = Buffer.concat([head, ...order.map((at) => pieces[at] as Buffer)]);
    const length = Buffer.alloc(8);
    length.writeBigUInt64BE(BigInt(before.length));
    return Buffer.concat([
      before,
      Buffer.from('\nsallyport-backup-end\n'),
      length,
      createHash('sha256').update(before).digest(),
    ]);
  };
  expect(built(0, 1, 2, 3, 4).equals(sealed)).toBe(true);
  for (const order of [[1, 0, 2, 3, 4], [0, 0, 2, 3, 4], [0, 1, 2, 4], [0, 1, 2, 3], [0, 1, 2, 3, 4, 4], []]) {
    const forged = built(...order);
    await whole(forged);
    await expect(open(forged), order.join()).rejects.toMatchObject({ code: 'backup_damaged' });
  }
});

test('pieces of another backup under the same key are refused', async () => {
  const [one, other] = [await seal(plain), await seal(plain)];
  const mixed = Buffer.concat([one.subarray(0, HEAD + PIECE), other.subarray(HEAD + PIECE)]);
  await expect(open(mixed)).rejects.toMatchObject({ code: 'backup_damaged' });
});

test('a checksum with a wrong length is damage', async () => {
  const sealed = await seal(plain);
  sealed[sealed.length - 33] = (sealed[sealed.length - 33] as number) ^ 1;
  await expect(whole(sealed)).rejects.toMatchObject({
    options: { detail: expect.stringContaining('precede its end mark') },
  });
});

const sumOf = (text: string, size = text.length) => {
  const digest = createTableDigest();
  for (let at = 0; at < text.length; at += size) digest.addBytes(Buffer.from(text.slice(at, at + size)));
  return digest.sum();
};

test('rows count alike in any order and however they are cut', () => {
  const expected = sumOf('a\t1\nb\t2\nc\t3\n');
  expect([expected.rows, sumOf('c\t3\na\t1\nb\t2\n')]).toEqual([3, expected]);
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
