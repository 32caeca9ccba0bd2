import { expect, test } from 'vitest';
import type { Sql } from '#services/core/ports.ts';
import type { Auth } from '../sessions/auth.ts';
import { verifyCode } from './verify-code.ts';

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
