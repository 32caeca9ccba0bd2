import { expect, test } from 'vitest';
import { registry } from '#observability/metrics/instruments.ts';
import type { Caller, Sql } from '#services/core/ports.ts';
import { storeUnavailable } from '#services/platform/errors.ts';
import type { Auth } from '../sessions/auth.ts';
import type { SignInPorts } from '../sign-in/sign-in.ts';
import { answerSecondFactor } from './answer-second-factor.ts';
import { importedSecret, matchingStep, newSecret, SECRET_BYTES, shownSecret, totpUriOf } from './totp.ts';
import { verifyCode } from './verify-code.ts';

/** RFC 6238 appendix B: the secret of its SHA-1 rows, and the last six of its eight digits. */
const SECRET = '12345678901234567890';
const AT_59 = 59_000;
const at = (code: string, nowMs: number, lastUsedStep = 0): Promise<number | null> =>
  matchingStep(SECRET, code, { nowMs, lastUsedStep });

test('accepts codes of RFC 6238 in their thirty-second step and its neighbours only (CVE-2024-7318, Keycloak: a code was accepted longer than it was valid)', async () => {
  expect([await at('287082', AT_59), await at('081804', 1_111_111_109_000)]).toEqual([1, 37_037_036]);
  expect([await at('050471', 1_111_111_111_000), await at('287082', AT_59 + 30_000)]).toEqual([37_037_037, 1]);
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

const clock = { now: () => 0, monotonic: () => 0 };
const auth = {
  factors: { open: async (sealed: string) => sealed, seal: async (plain: string) => plain },
} as unknown as Auth;

/** A user with recovery codes and these factors. */
function ports(factors: object | null, row: object | null = { backupCodes: '["aaaaa-bbbbb"]', isVerified: false }) {
  const sql: Sql = {
    query: async ({ name }) =>
      (name === 'twoFactorRead' ? (row ? [row] : []) : name === 'factorsRead' && factors ? [factors] : []) as never[],
  };
  return { sql, clock, auth };
}
const recoveryCode = 'aaaaa-bbbbb';

test('rejects a recovery code without an active factor', async () => {
  expect(await verifyCode(ports({ hasTotp: false, passkeys: 0 }), 'u', { recoveryCode })).toBeNull();
  expect(await verifyCode(ports({ hasTotp: false, passkeys: 1 }), 'u', { recoveryCode })).toMatchObject({
    factor: 'recovery_code',
  });
});

test('rejects an unknown code, a code of an unconfirmed app, and a code of a user without factors', async () => {
  const enrolled = { hasTotp: true, passkeys: 0 };
  expect(await verifyCode(ports(enrolled), 'u', {})).toBeNull();
  expect(await verifyCode(ports(enrolled), 'u', { totp: '123456' })).toBeNull();
  expect(await verifyCode(ports(enrolled, null), 'u', { recoveryCode })).toBeNull();
});

const caller: Caller = { kind: 'anonymous', request: { ip: '', userAgent: '', traceId: '', traceparent: '' } };
/** Postgres fails before a code is verified. */
const failing = (err: Error): SignInPorts => {
  const sql: Sql = { query: () => Promise.reject(err) };
  return { sql, revocations: { issuingRefusal: () => null } } as unknown as SignInPorts;
};
const unavailable = (): number => {
  const series = registry.collect().find(({ name }) => name === 'sallyport_logins')?.series ?? [];
  const one = series.find(({ labels }) => labels.outcome === 'unavailable' && labels.factor === 'totp');
  return one?.value ?? 0;
};

test.each([
  ['an unreachable store', storeUnavailable({ retryAfterSeconds: 1 })],
  ['a defect of ours', new Error('broken')],
])('counts %s as unavailable, not as a wrong code, and opens no session', async (_name, err) => {
  const before = unavailable();
  const asked = answerSecondFactor(failing(err), { challenge: 'x'.repeat(32), totp: '123456' }, caller);
  await expect(asked).rejects.toBe(err);
  expect(unavailable()).toBe(before + 1);
});
