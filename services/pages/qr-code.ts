/**
 * QR codes (ISO/IEC 18004) of text that fits into versions 1 to 20 at error correction level L, in byte mode: an
 * `otpauth` address on a screen needs no more.
 */

/** By version: error correction codewords of a block, and number of blocks, at level L (table 9). */
const BLOCKS = [
  [7, 1],
  [10, 1],
  [15, 1],
  [20, 1],
  [26, 1],
  [18, 2],
  [20, 2],
  [24, 2],
  [30, 2],
  [18, 4],
  [20, 4],
  [24, 4],
  [26, 4],
  [30, 4],
  [22, 6],
  [24, 6],
  [28, 6],
  [30, 6],
  [28, 7],
  [28, 8],
] as const;

/** Codewords of a symbol: its modules without patterns and information about format and version (§7.1). */
function codewordsOf(version: number): number {
  const alignments = version === 1 ? 0 : Math.floor(version / 7) + 2;
  const patterns = alignments === 0 ? 0 : 25 * alignments ** 2 - 10 * alignments - 55;
  const modules = (16 * version + 128) * version + 64 - patterns - (version < 7 ? 0 : 36);
  return Math.floor(modules / 8);
}

/** Multiplies in GF(256) modulo x⁸ + x⁴ + x³ + x² + 1. */
function multiply(a: number, b: number): number {
  let product = 0;
  for (let bit = 7; bit >= 0; bit -= 1) {
    product = (product << 1) ^ ((product >>> 7) * 0x11d);
    product ^= ((b >>> bit) & 1) * a;
  }
  return product;
}

/** The remainder of `data` by the generator polynomial of this degree (§7.5). */
function errorCorrection(data: readonly number[], degree: number): number[] {
  const generator = Array.from<unknown, number>({ length: degree }, (_, at) => (at === degree - 1 ? 1 : 0));
  let root = 1;
  for (let step = 0; step < degree; step += 1) {
    for (let at = 0; at < degree; at += 1) generator[at] = multiply(generator[at]!, root) ^ (generator[at + 1] ?? 0);
    root = multiply(root, 2);
  }
  const remainder = Array.from({ length: degree }, () => 0);
  for (const byte of data) {
    const factor = byte ^ remainder.shift()!;
    remainder.push(0);
    for (let at = 0; at < degree; at += 1) remainder[at]! ^= multiply(generator[at]!, factor);
  }
  return remainder;
}

/** Mode, length, text, end and padding (§7.4). */
function dataCodewords(text: Buffer, version: number, length: number): number[] {
  const bits = [0, 1, 0, 0];
  const push = (value: number, count: number): void => {
    for (let bit = count - 1; bit >= 0; bit -= 1) bits.push((value >>> bit) & 1);
  };
  push(text.length, version < 10 ? 8 : 16);
  for (const byte of text) push(byte, 8);
  push(0, Math.min(4, 8 * length - bits.length));
  while (bits.length % 8 !== 0) bits.push(0);
  const bytes = Array.from({ length: bits.length / 8 }, (_, at) =>
    bits.slice(8 * at, 8 * at + 8).reduce((byte, bit) => (byte << 1) | bit, 0),
  );
  for (let pad = 0xec; bytes.length < length; pad ^= 0xec ^ 0x11) bytes.push(pad);
  return bytes;
}

/** Takes one item of each list in turn, shorter lists first ending. */
const interleave = (lists: readonly (readonly number[])[]): number[] =>
  Array.from({ length: Math.max(...lists.map(({ length }) => length)) }, (_, at) =>
    lists.flatMap((list) => (at < list.length ? [list[at]!] : [])),
  ).flat();

/** Data and error correction of all blocks, in the order of the symbol (§7.6). */
function codewords(text: Buffer, version: number): number[] {
  const [degree, count] = BLOCKS[version - 1]!;
  const total = codewordsOf(version);
  const data = dataCodewords(text, version, total - degree * count);
  const short = Math.floor(data.length / count);
  const longFrom = count - (data.length % count);
  const blocks = Array.from({ length: count }, (_, at) => {
    const start = at * short + Math.max(0, at - longFrom);
    return data.slice(start, start + short + (at < longFrom ? 0 : 1));
  });
  return [...interleave(blocks), ...interleave(blocks.map((block) => errorCorrection(block, degree)))];
}

/** Bits with the remainder of a division by a polynomial behind them (annexes C and D). */
function withRemainder(bits: number, polynomial: number, degree: number): number {
  let remainder = bits;
  for (let step = 0; step < degree; step += 1)
    remainder = (remainder << 1) ^ ((remainder >>> (degree - 1)) * polynomial);
  return (bits << degree) | remainder;
}

/** Which modules a mask inverts (§7.8.2). */
const MASKS: readonly ((x: number, y: number) => boolean)[] = [
  (x, y) => (x + y) % 2 === 0,
  (_x, y) => y % 2 === 0,
  (x) => x % 3 === 0,
  (x, y) => (x + y) % 3 === 0,
  (x, y) => (Math.floor(x / 3) + Math.floor(y / 2)) % 2 === 0,
  (x, y) => ((x * y) % 2) + ((x * y) % 3) === 0,
  (x, y) => (((x * y) % 2) + ((x * y) % 3)) % 2 === 0,
  (x, y) => (((x + y) % 2) + ((x * y) % 3)) % 2 === 0,
];

type Grid = boolean[][];

/** Centres of alignment patterns along one axis (annex E). */
function alignmentCentres(version: number): number[] {
  if (version === 1) return [];
  const count = Math.floor(version / 7) + 2;
  const last = 4 * version + 10;
  const step = Math.ceil((last - 6) / (count - 1) / 2) * 2;
  return [6, ...Array.from({ length: count - 1 }, (_, at) => last - step * (count - 2 - at))];
}

/** Draws what does not depend on the text, and says which modules it takes. */
function drawPatterns(grid: Grid, version: number): Grid {
  const size = grid.length;
  const taken: Grid = grid.map((row) => row.map(() => false));
  const set = (x: number, y: number, isDark: boolean): void => {
    if (x < 0 || y < 0 || x >= size || y >= size) return;
    grid[y]![x] = isDark;
    taken[y]![x] = true;
  };
  for (let at = 0; at < size; at += 1) {
    set(6, at, at % 2 === 0);
    set(at, 6, at % 2 === 0);
  }
  const square = (centreX: number, centreY: number, radius: number, isDark: (distance: number) => boolean): void => {
    for (let dy = -radius; dy <= radius; dy += 1)
      for (let dx = -radius; dx <= radius; dx += 1)
        set(centreX + dx, centreY + dy, isDark(Math.max(Math.abs(dx), Math.abs(dy))));
  };
  const corners = [
    [3, 3],
    [size - 4, 3],
    [3, size - 4],
  ] as const;
  for (const [x, y] of corners) square(x, y, 4, (distance) => distance !== 2 && distance !== 4);
  const centres = alignmentCentres(version);
  for (const x of centres)
    for (const y of centres)
      if (!corners.some((corner) => Math.abs(corner[0] - x) <= 4 && Math.abs(corner[1] - y) <= 4))
        square(x, y, 2, (distance) => distance !== 1);
  if (version >= 7) {
    const bits = withRemainder(version, 0x1f25, 12);
    for (let at = 0; at < 18; at += 1) {
      const isDark = ((bits >>> at) & 1) === 1;
      const [far, near] = [size - 11 + (at % 3), Math.floor(at / 3)];
      set(far, near, isDark);
      set(near, far, isDark);
    }
  }
  drawFormat(set, size, 0);
  return taken;
}

/** Level L and the mask, twice, and the one module that is always dark (§7.9). */
function drawFormat(set: (x: number, y: number, isDark: boolean) => void, size: number, mask: number): void {
  const bits = withRemainder((1 << 3) | mask, 0x537, 10) ^ 0x5412;
  const isDark = (at: number): boolean => ((bits >>> at) & 1) === 1;
  for (let at = 0; at < 6; at += 1) set(8, at, isDark(at));
  set(8, 7, isDark(6));
  set(8, 8, isDark(7));
  set(7, 8, isDark(8));
  for (let at = 9; at < 15; at += 1) set(14 - at, 8, isDark(at));
  for (let at = 0; at < 8; at += 1) set(size - 1 - at, 8, isDark(at));
  for (let at = 8; at < 15; at += 1) set(8, size - 15 + at, isDark(at));
  set(8, size - 8, true);
}

/** Fills the free modules, two columns at a time, upwards and downwards (§7.7.3). */
function drawData(grid: Grid, taken: Grid, bytes: readonly number[]): void {
  const size = grid.length;
  let at = 0;
  for (let right = size - 1; right >= 1; right -= 2) {
    if (right === 6) right = 5;
    const isUpward = ((right + 1) & 2) === 0;
    for (let step = 0; step < size; step += 1)
      for (const x of [right, right - 1]) {
        const y = isUpward ? size - 1 - step : step;
        if (taken[y]![x]!) continue;
        // The few modules that are left over stay light.
        grid[y]![x] = (((bytes[at >>> 3] ?? 0) >>> (7 - (at & 7))) & 1) === 1;
        at += 1;
      }
  }
}

/** What makes a symbol hard to read (§7.8.3): long runs, squares, patterns like those of the corners, and imbalance. */
function penaltyOf(grid: Grid): number {
  const size = grid.length;
  const columns = grid.map((_, x) => grid.map((row) => row[x]!));
  let penalty = 0;
  for (const line of [...grid, ...columns]) {
    const text = line.map(Number).join('');
    for (const [run] of text.matchAll(/0{5,}|1{5,}/g)) penalty += run.length - 2;
    // Light modules surround the symbol.
    const framed = `0000${text}0000`;
    for (const pattern of ['00001011101', '10111010000'])
      for (let at = framed.indexOf(pattern); at >= 0; at = framed.indexOf(pattern, at + 1)) penalty += 40;
  }
  for (let y = 1; y < size; y += 1)
    for (let x = 1; x < size; x += 1) {
      const here = grid[y]![x];
      if (here === grid[y]![x - 1] && here === grid[y - 1]![x] && here === grid[y - 1]![x - 1]) penalty += 3;
    }
  const dark = grid.flat().filter(Boolean).length;
  return penalty + 10 * Math.floor(Math.abs(20 * dark - 10 * size ** 2) / size ** 2);
}

/** Bytes of text that fit into the largest version. */
export const QR_BYTES_MAX = 858;

/**
 * The modules of a QR code, row by row; true is dark. Null if the text is longer than `QR_BYTES_MAX` bytes.
 * @example qrCode('otpauth://totp/…')
 */
export function qrCode(text: string): readonly (readonly boolean[])[] | null {
  const bytes = Buffer.from(text);
  const version = BLOCKS.findIndex(([degree, count], at) => {
    const room = codewordsOf(at + 1) - degree * count;
    return bytes.length + (at + 1 < 10 ? 2 : 3) <= room;
  });
  if (version < 0) return null;
  const size = 4 * (version + 1) + 17;
  const plain: Grid = Array.from({ length: size }, () => Array.from({ length: size }, () => false));
  const taken = drawPatterns(plain, version + 1);
  drawData(plain, taken, codewords(bytes, version + 1));
  const masked = MASKS.map((inverts, mask) => {
    const grid = plain.map((row, y) => row.map((isDark, x) => (taken[y]![x]! ? isDark : isDark !== inverts(x, y))));
    drawFormat((x, y, isDark) => (grid[y]![x] = isDark), size, mask);
    return { grid, penalty: penaltyOf(grid) };
  });
  return masked.reduce((best, each) => (each.penalty < best.penalty ? each : best)).grid;
}
