import { expect, test } from 'vitest';
import { newUserCode, normaliseUserCode, shownUserCode } from './user-codes.ts';

test('a user code is eight consonants, all equally likely', () => {
  let next = 0;
  const code = newUserCode({
    bytes: (count) => Buffer.from(Array.from({ length: count }, () => (next++ === 0 ? 255 : (next - 2) % 240))),
  });
  expect(code).toBe('BCDFGHJK');
  expect(shownUserCode(code)).toBe('BCDF-GHJK');
});

test('a typed code may have any case, spaces and dashes; any other text is refused', () => {
  for (const typed of ['BCDF-GHJK', 'bcdf ghjk', ' bcdfghjk ', 'B-C-D-F-G-H-J-K'])
    expect(normaliseUserCode(typed)).toBe('BCDFGHJK');
  for (const typed of ['', 'BCDF-GHJ', 'BCDF-GHJKL', 'ACDF-GHJK', '1CDF-GHJK', 'x'.repeat(33)])
    expect(normaliseUserCode(typed)).toBeNull();
});
