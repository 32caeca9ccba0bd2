import { randomBytes } from 'node:crypto';
import { expect, test } from 'vitest';
import { newRecoveryCodes } from './recovery-codes.ts';

test('generates ten distinct codes without characters that look alike', () => {
  const codes = newRecoveryCodes({ bytes: randomBytes });
  expect(new Set(codes).size).toBe(10);
  for (const code of codes) expect(code).toMatch(/^[a-km-z2-9A-HJ-NP-Z]{6}-[a-km-z2-9A-HJ-NP-Z]{6}$/);
});

test('makes no character more likely: bytes above the last whole alphabet are skipped', () => {
  let asked = 0;
  const bytes = (count: number): Buffer => Buffer.alloc(count, asked++ === 0 ? 255 : 1);
  expect(newRecoveryCodes({ bytes })[0]).toBe('bbbbbb-bbbbbb');
});
