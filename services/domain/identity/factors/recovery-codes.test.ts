import { randomBytes } from 'node:crypto';
import { expect, test } from 'vitest';
import { newRecoveryCodes } from './recovery-codes.ts';

test('ten codes, each another, of characters that are not mistaken for one another', () => {
  const codes = newRecoveryCodes({ bytes: randomBytes });
  expect(new Set(codes).size).toBe(10);
  for (const code of codes) expect(code).toMatch(/^[a-km-z2-9A-HJ-NP-Z]{6}-[a-km-z2-9A-HJ-NP-Z]{6}$/);
});

test('no character is likelier than another: bytes above the last whole alphabet are passed over', () => {
  let asked = 0;
  const bytes = (count: number): Buffer => Buffer.alloc(count, asked++ === 0 ? 255 : 1);
  expect(newRecoveryCodes({ bytes })[0]).toBe('bbbbbb-bbbbbb');
});
