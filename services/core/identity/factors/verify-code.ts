import type { Ports, Tx } from '#services/core/ports.ts';
import { secondFactorLocked } from '../contracts/factors-errors.ts';
import type { HasAuth } from '../sessions/auth.ts';
import { readFactors } from '../users/accounts.store.ts';
import { type FactorProof, factorVerified } from '../users/factor-proof.ts';
import {
  CODE_FAILURES_EVER,
  LOCK_SECONDS,
  readTwoFactor,
  type TwoFactorRow,
  takeTotpTry,
  useRecoveryCode,
  useStep,
} from './factors.store.ts';
import { matchingStep } from './totp.ts';

export type SentCode = { readonly totp?: string | undefined; readonly recoveryCode?: string | undefined };

/** What was typed into a field that takes either. */
export function sentCode(text: string): SentCode {
  const typed = text.replaceAll(/\s/g, '');
  return /^\d{6}$/.test(typed) ? { totp: typed } : { recoveryCode: typed };
}

/** A correct code. It is accepted only if `use` returns its proof in the transaction that opens the session. */
export type VerifiedCode = {
  readonly factor: 'totp' | 'recovery_code';
  /** Whether it enrols the first factor of the account, which ends what began before it. */
  readonly isFirst?: boolean;
  /** Uses the code; null if another request has used it. */
  use(tx: Tx): Promise<FactorProof | null>;
};

/** The proof of a code, if it was used now. */
export const provedIf = (isUsed: boolean): FactorProof | null => (isUsed ? factorVerified(['otp']) : null);

const DAY_SECONDS = 86_400;

type VerifyPorts = Pick<Ports, 'sql' | 'clock'> & HasAuth;

/**
 * Verifies a code outside of any transaction; returns null if it is wrong or the user has no such factor. A TOTP
 * attempt is first counted as wrong; using its code clears the count. A wrong recovery code is not counted: recovery
 * codes are too long to guess, and must not lock the owner's authenticator.
 * @throws secondFactorLocked (429) for a TOTP code after too many wrong ones
 */
export async function verifyCode(ports: VerifyPorts, userId: string, sent: SentCode): Promise<VerifiedCode | null> {
  const row = await readTwoFactor(ports.sql, userId);
  if (!row) return null;
  return sent.totp === undefined
    ? verifyRecoveryCode(ports, userId, sent.recoveryCode ?? '', row)
    : verifyTotp(ports, userId, sent.totp, row);
}

async function verifyTotp(
  ports: VerifyPorts,
  userId: string,
  code: string,
  row: TwoFactorRow,
): Promise<VerifiedCode | null> {
  if (!row.is_verified) return null;
  if (!(await takeTotpTry(ports.sql, userId))) {
    // The row has no lock if the lock began after the row was read.
    const lockedSeconds = row.failures >= CODE_FAILURES_EVER ? DAY_SECONDS : row.locked_seconds || LOCK_SECONDS;
    throw secondFactorLocked({ retryAfterSeconds: lockedSeconds });
  }
  const secret = await ports.auth.factors.open(row.secret);
  const { lastUsedStep } = row;
  const step = await matchingStep(secret, code, { nowMs: ports.clock.now(), lastUsedStep });
  if (step === null) return null;
  return {
    factor: 'totp',
    use: async (tx) => provedIf(await useStep(tx, userId, { secret: row.secret, step, isConfirmed: true })),
  };
}

async function verifyRecoveryCode(
  ports: VerifyPorts,
  userId: string,
  code: string,
  row: TwoFactorRow,
): Promise<VerifiedCode | null> {
  const { hasTotp, passkeys } = await readFactors(ports.sql, userId);
  if (!hasTotp && passkeys === 0) return null;
  const codes = JSON.parse(await ports.auth.factors.open(row.backupCodes)) as string[];
  const rest = codes.filter((each) => each !== code.trim());
  if (rest.length === codes.length) return null;
  const after = await ports.auth.factors.seal(JSON.stringify(rest));
  return {
    factor: 'recovery_code',
    use: async (tx) => provedIf(await useRecoveryCode(tx, userId, { before: row.backupCodes, after })),
  };
}
