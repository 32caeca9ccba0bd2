import { expect, test } from 'vitest';
import { importedSecret, matchingStep, newSecret, SECRET_BYTES, shownSecret, totpUriOf } from './totp.ts';

/** RFC 6238 appendix B: the secret of its SHA-1 rows, and the last six of its eight digits. */
const SECRET = '12345678901234567890';
const AT_59 = 59_000;
const at = (code: string, nowMs: number, lastUsedStep = 0): Promise<number | null> =>
  matchingStep(SECRET, code, { nowMs, lastUsedStep });

test('accepts codes of RFC 6238 in their thirty-second step and its neighbours only (CVE-2024-7318, Keycloak: a code was accepted longer than it was valid)', async () => {
  expect(await at('287082', AT_59)).toBe(1);
  expect(await at('081804', 1_111_111_109_000)).toBe(37_037_036);
  expect(await at('050471', 1_111_111_111_000)).toBe(37_037_037);
  expect(await at('287082', AT_59 + 30_000)).toBe(1);
  expect(await at('287082', AT_59 + 30_999)).toBe(1);
  expect(await at('287082', AT_59 + 31_000)).toBeNull();
  expect(await at('287082', AT_59 - 30_000)).toBe(1);
  expect(await at('287083', AT_59)).toBeNull();
});

test('rejects codes of the last used step and of earlier steps', async () => {
  expect(await at('287082', AT_59, 1)).toBeNull();
  expect(await at('287082', AT_59, 2)).toBeNull();
});

test('rejects anything but six digits', async () => {
  for (const code of ['', '28708', '2870822', ' 287082', '２８７０８２', '28708x'])
    expect(await at(code, AT_59)).toBeNull();
});

test('reads the secret of another system from its base32, and shows either secret in base32', async () => {
  const imported = importedSecret('GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ');
  expect(await matchingStep(imported, '287082', { nowMs: AT_59, lastUsedStep: 0 })).toBe(1);
  // Bytes that are no text: computed by Python's hmac module.
  expect(await matchingStep(importedSecret('JBSWY3DPEHPK3PXP'), '996554', { nowMs: AT_59, lastUsedStep: 0 })).toBe(1);
  expect(shownSecret(imported)).toBe('GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ');
  expect(shownSecret(SECRET)).toBe('GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ');
});

test('a new secret has 160 bits, and its address says what an app assumes: six digits and thirty seconds', async () => {
  const uri = new URL(totpUriOf(newSecret(Buffer.from(SECRET)), 'ada@example.test'));
  expect(SECRET_BYTES * 8).toBe(160);
  expect(Object.fromEntries(uri.searchParams)).toEqual({
    secret: 'GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ',
    issuer: 'Sallyport',
    digits: '6',
    period: '30',
  });
  expect(Buffer.from(SECRET)).toHaveLength(SECRET_BYTES);
});
