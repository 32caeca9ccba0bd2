import type { Sql, Tx } from '#services/core/ports.ts';
import { defineStatement } from '#services/platform/define/statement.ts';

/** The plugin's row; secret and recovery codes are encrypted by the plugin. */
export type TwoFactorRow = {
  readonly secret: string;
  readonly backupCodes: string;
  readonly is_verified: boolean;
  readonly lastUsedStep: number;
  /** Consecutive wrong codes. */
  readonly failures: number;
  readonly locked_seconds: number;
};

/**
 * Ten consecutive wrong codes lock the authenticator for 15 minutes, a hundred disable it (NIST SP 800-63B-4 §3.2.2).
 */
const FAILURES_TO_LOCK = 10;
export const LOCK_SECONDS = 900;
export const CODE_FAILURES_EVER = 100;

const twoFactorRead = defineStatement('twoFactorRead')`
  SELECT secret, "backupCodes", verified AS is_verified, "lastUsedStep", "failedVerificationCount" AS failures,
    greatest(0, ceil(extract(epoch FROM "lockedUntil" - now())))::int AS locked_seconds
  FROM two_factors WHERE "userId" = $1`;

/** Uses the code of a time step: of concurrent uses, exactly one finds an older step. */
const stepUse = defineStatement('twoFactorStepUse')`
  UPDATE two_factors SET "lastUsedStep" = $3, "failedVerificationCount" = 0, "lockedUntil" = NULL
  WHERE "userId" = $1 AND secret = $2 AND "lastUsedStep" < $3 AND verified = $4 RETURNING 1`;

/** Uses a recovery code: of concurrent uses, exactly one finds the list it has read. */
const recoveryUse = defineStatement('twoFactorRecoveryUse')`
  UPDATE two_factors SET "backupCodes" = $3, "codesLeft" = "codesLeft" - 1, "failedVerificationCount" = 0, "lockedUntil" = NULL
  WHERE "userId" = $1 AND "backupCodes" = $2 AND "codesLeft" > 0 RETURNING 1`;

/** An attempt is counted before its code is verified, so concurrent attempts cannot exceed the limit. */
const totpTry = defineStatement('twoFactorTotpTry')`
  UPDATE two_factors SET "failedVerificationCount" = "failedVerificationCount" + 1,
    "lockedUntil" = CASE WHEN ("failedVerificationCount" + 1) % $2 = 0 THEN now() + make_interval(secs => $3)
      ELSE "lockedUntil" END
  WHERE "userId" = $1 AND verified AND "failedVerificationCount" < $4
    AND ("lockedUntil" IS NULL OR "lockedUntil" <= now()) RETURNING 1`;

/** An authenticator that no code has confirmed; the recovery codes stay. */
const secretReplace = defineStatement('twoFactorSecretReplace')`
  UPDATE two_factors SET secret = $2 WHERE "userId" = $1 AND NOT verified RETURNING 1`;

/** The row trigger writes the event and, for the first factor, ends every session. */
const totpConfirm = defineStatement('twoFactorConfirm')`
  UPDATE two_factors SET verified = true WHERE "userId" = $1 AND NOT verified RETURNING 1`;

/** Removes the authenticator app; the recovery codes stay if a passkey needs them. */
const totpRemove = defineStatement('twoFactorRemove')`
  WITH kept AS (
    UPDATE two_factors SET verified = false WHERE "userId" = $1 AND verified
      AND EXISTS (SELECT FROM passkeys WHERE "userId" = $1) RETURNING 1
  ), gone AS (
    DELETE FROM two_factors WHERE "userId" = $1 AND verified AND NOT EXISTS (SELECT FROM passkeys WHERE "userId" = $1)
    RETURNING 1
  )
  SELECT 1 FROM kept UNION ALL SELECT 1 FROM gone`;

/** Recovery codes are useless without a factor. */
const codesRemove = defineStatement('recoveryCodesRemove')`
  DELETE FROM two_factors WHERE "userId" = $1 AND NOT verified AND NOT EXISTS (SELECT FROM passkeys WHERE "userId" = $1)`;

/** The row triggers write the events and end every session. */
const passkeysRemove = defineStatement('factorsPasskeysRemove')`
  DELETE FROM passkeys WHERE id IN (SELECT id FROM passkeys WHERE "userId" = $1 ORDER BY id FOR UPDATE) RETURNING 1`;

/** The time is from the database's clock. The function asks for an open incident of this transaction about the user. */
const factorsRemoveSince = defineStatement('factorsRemoveSince', 'SELECT remove_factors_since($1, $2::timestamptz)');

const codesInsert = defineStatement('recoveryCodesInsert')`
  INSERT INTO two_factors (id, "userId", secret, "backupCodes", verified) VALUES ($1, $2, $3, $4, false)
  ON CONFLICT ("userId") DO NOTHING RETURNING 1`;

/** An app that was never confirmed gives way to one whose first code is verified. */
const pendingDelete = defineStatement('twoFactorPendingDelete')`
  DELETE FROM two_factors WHERE "userId" = $1 AND NOT verified`;

/** The row trigger writes the event and ends every session. */
const totpInsert = defineStatement('twoFactorInsert')`
  INSERT INTO two_factors (id, "userId", secret, "backupCodes", "codesLeft", "lastUsedStep", verified)
  VALUES ($1, $2, $3, $4, $5, $6, true) ON CONFLICT ("userId") DO NOTHING RETURNING 1`;

/** The row trigger resets the count. Without a factor there are no codes to renew. */
const codesReplace = defineStatement('recoveryCodesReplace')`
  UPDATE two_factors SET "backupCodes" = $2 WHERE "userId" = $1
  AND (verified OR EXISTS (SELECT FROM passkeys WHERE "userId" = $1)) RETURNING 1`;

const isDone = async (rows: Promise<unknown[]>): Promise<boolean> => (await rows).length > 0;

export async function readTwoFactor(sql: Sql, userId: string): Promise<TwoFactorRow | undefined> {
  const [row] = await sql.query<TwoFactorRow>(twoFactorRead, [userId]);
  return row;
}

/** @param isConfirmed whether the authenticator was confirmed before, or this is its first code */
export const useStep = (
  tx: Tx,
  userId: string,
  { secret, step, isConfirmed }: { readonly secret: string; readonly step: number; readonly isConfirmed: boolean },
): Promise<boolean> => isDone(tx.query(stepUse, [userId, secret, step, isConfirmed]));

export const useRecoveryCode = (
  tx: Tx,
  userId: string,
  { before, after }: { readonly before: string; readonly after: string },
): Promise<boolean> => isDone(tx.query(recoveryUse, [userId, before, after]));

/** Counts an attempt as wrong until `useStep` accepts its code. False while the authenticator is locked. */
export const takeTotpTry = (sql: Sql, userId: string): Promise<boolean> =>
  isDone(sql.query(totpTry, [userId, FAILURES_TO_LOCK, LOCK_SECONDS, CODE_FAILURES_EVER]));

/** Returns false if an authenticator is confirmed. */
export const replaceSecret = (tx: Tx, userId: string, sealed: string): Promise<boolean> =>
  isDone(tx.query(secretReplace, [userId, sealed]));
export const confirmTotp = (tx: Tx, userId: string): Promise<boolean> => isDone(tx.query(totpConfirm, [userId]));
export const removeTotp = (tx: Tx, userId: string): Promise<boolean> => isDone(tx.query(totpRemove, [userId]));
export const removePasskeys = async (tx: Tx, userId: string): Promise<number> =>
  (await tx.query(passkeysRemove, [userId])).length;
export const removeIdleCodes = (tx: Tx, userId: string): Promise<unknown> => tx.query(codesRemove, [userId]);

/**
 * Removes passkeys, authenticator app and recovery codes that the account got since a time. The caller has locked the
 * user.
 */
export const removeFactorsSince = (tx: Tx, userId: string, since: string): Promise<unknown> =>
  tx.query(factorsRemoveSince, [userId, since]);

/** Returns false if the user already has codes. */
export const insertRecoveryCodes = (
  tx: Tx,
  row: { readonly id: string; readonly userId: string; readonly secret: string; readonly backupCodes: string },
): Promise<boolean> => isDone(tx.query(codesInsert, [row.id, row.userId, row.secret, row.backupCodes]));

/** Adds a confirmed authenticator app. Returns false if the user has one. The caller has locked the user. */
export async function insertTotp(
  tx: Tx,
  row: {
    readonly id: string;
    readonly userId: string;
    readonly secret: string;
    readonly backupCodes: string;
    readonly codesLeft: number;
    readonly step: number;
  },
): Promise<boolean> {
  await tx.query(pendingDelete, [row.userId]);
  return isDone(tx.query(totpInsert, [row.id, row.userId, row.secret, row.backupCodes, row.codesLeft, row.step]));
}

export const replaceRecoveryCodes = (tx: Tx, userId: string, backupCodes: string): Promise<boolean> =>
  isDone(tx.query(codesReplace, [userId, backupCodes]));
