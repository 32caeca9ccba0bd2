import type { Ports, Tx } from '#services/domain/ports.ts';
import type { HasAuth } from '../better-auth/auth.ts';
import {
  FAILURES_EVER,
  LOCK_SECONDS,
  readFactors,
  readTwoFactor,
  type TwoFactorRow,
  takeTotpTry,
  useRecoveryCode,
  useStep,
} from './factors.store.ts';
import { secondFactorLocked } from './factors-errors.ts';
import { matchingStep } from './totp.ts';

export type SentCode = { readonly totp?: string | undefined; readonly recoveryCode?: string | undefined };

/** A code that is right. It counts only where `use` says so, in the transaction that opens the session. */
export type CodeProof = {
  readonly factor: 'totp' | 'recovery_code';
  /** False: another request was faster with it. */
  use(tx: Tx): Promise<boolean>;
};

const DAY_SECONDS = 86_400;

type ProvePorts = Pick<Ports, 'sql' | 'clock'> & HasAuth;

/**
 * Judges a code outside of any transaction; null when it is wrong or the user has no such factor. A TOTP code has been
 * counted as wrong by then, and counts no more once it is used. A wrong recovery code counts nowhere: it is too long to
 * be guessed, and must not lock the authenticator of its owner.
 * @throws secondFactorLocked (429) for a TOTP code after too many wrong ones
 */
export async function proveCode(ports: ProvePorts, userId: string, sent: SentCode): Promise<CodeProof | null> {
  const row = await readTwoFactor(ports.sql, userId);
  if (!row) return null;
  return sent.totp === undefined
    ? proveRecovery(ports, userId, sent.recoveryCode ?? '', row)
    : proveTotp(ports, userId, sent.totp, row);
}

async function proveTotp(
  ports: ProvePorts,
  userId: string,
  code: string,
  row: TwoFactorRow,
): Promise<CodeProof | null> {
  if (!row.isVerified) return null;
  if (!(await takeTotpTry(ports.sql, userId))) {
    // No lock in the row: it began since that was read.
    const lockedSeconds = row.failures >= FAILURES_EVER ? DAY_SECONDS : row.lockedSeconds || LOCK_SECONDS;
    throw secondFactorLocked({ retryAfterSeconds: lockedSeconds });
  }
  const secret = await ports.auth.factors.open(row.secret);
  const { lastUsedStep } = row;
  const step = await matchingStep(secret, code, { nowMs: ports.clock.now(), lastUsedStep });
  if (step === null) return null;
  return { factor: 'totp', use: (tx) => useStep(tx, userId, { secret: row.secret, step, isConfirmed: true }) };
}

async function proveRecovery(
  ports: ProvePorts,
  userId: string,
  code: string,
  row: TwoFactorRow,
): Promise<CodeProof | null> {
  const { hasTotp, passkeys } = await readFactors(ports.sql, userId);
  if (!hasTotp && passkeys === 0) return null;
  const codes = JSON.parse(await ports.auth.factors.open(row.backupCodes)) as string[];
  const rest = codes.filter((each) => each !== code.trim());
  if (rest.length === codes.length) return null;
  const after = await ports.auth.factors.seal(JSON.stringify(rest));
  return { factor: 'recovery_code', use: (tx) => useRecoveryCode(tx, userId, { before: row.backupCodes, after }) };
}
