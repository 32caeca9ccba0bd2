import { createHash } from 'node:crypto';
import { codeContext } from '#services/domain/keys/secrets/sealed-contexts.ts';
import type { Ports, Sql, Tx } from '#services/domain/ports.ts';
import { lockUser } from './accounts.store.ts';
import { type CodePurpose, type CodeRow, deleteCode, findCodeRow, insertCode } from './one-time-codes.store.ts';

/**
 * Lifetimes of codes in seconds; the lifetime of an invitation is a setting. A code that sets a password lives as long
 * as an out-of-band code may (ASVS 5.0, 6.5.5).
 */
export const CODE_SECONDS: Readonly<Record<Exclude<CodePurpose, 'invitation'>, number>> = {
  sign_up: 600,
  verify_email: 600,
  change_email: 3_600,
  reset_password: 600,
  unlock_account: 600,
};

const CODE_BYTES = 32;
const CODE_FORM = /^[A-Za-z0-9_-]{43}$/;

const hashOf = (purpose: CodePurpose, code: string): Buffer =>
  createHash('sha256').update(`one-time code\0${purpose}\0${code}`).digest();

export type NewCode = {
  /** UUIDv7 of the code, or of the mail that carries it: another attempt to send replaces the previous code. */
  readonly id: string;
  readonly purpose: CodePurpose;
  /** Null if no account has the address yet. */
  readonly userId: string | null;
  /** `tokenEpoch` of the user when the code was requested; the code is valid while it is unchanged. */
  readonly userEpoch: number | null;
  readonly email: string;
  readonly lifeSeconds: number;
  /** Whether no user requested the mail: the limits, which strangers can use up, do not apply then. */
  readonly isUnasked?: boolean;
  /** Data that takes effect when the code is redeemed; sealed at rest. */
  readonly carries?: object;
};

/** Issues a code of 256 random bits; null if this address has enough valid codes. Only the hash is stored. */
export async function issueCode(
  tx: Sql,
  { random, vault }: Pick<Ports, 'random' | 'vault'>,
  { carries, isUnasked = false, ...code }: NewCode,
): Promise<string | null> {
  const text = random.bytes(CODE_BYTES).toString('base64url');
  const isIssued = await insertCode(tx, {
    ...code,
    hash: hashOf(code.purpose, text),
    isUncapped: isUnasked || code.purpose === 'invitation',
    sealed: carries ? vault.seal(Buffer.from(JSON.stringify(carries)), codeContext(code.id)) : null,
  });
  return isIssued ? text : null;
}

export type RedeemedCode = {
  readonly purpose: CodePurpose;
  readonly userId: string | null;
  /** The address it was sent to. */
  readonly email: string;
  readonly carries: unknown;
};

/**
 * Redeems a code: of concurrent calls, exactly one succeeds. The user is locked before the code, as in use-cases that
 * delete users with their codes. Returns undefined if the code is wrong, expired or used, or if all sessions of the
 * user were ended since it was requested.
 */
export async function redeemCode(
  tx: Tx,
  ports: Pick<Ports, 'vault'>,
  purposes: readonly CodePurpose[],
  code: string,
): Promise<RedeemedCode | undefined> {
  for (const purpose of purposes) {
    const found = await findCode(tx, purpose, code);
    if (!found) continue;
    if (found.userId !== null) await lockUser(tx, found.userId);
    const row = await deleteCode(tx, found.id);
    return row && { purpose, userId: row.userId, email: row.email, carries: openCode(ports, row) };
  }
  return undefined;
}

/** Unseals the data of a code. */
export const openCode = (
  { vault }: Pick<Ports, 'vault'>,
  { id, sealed }: { readonly id: string; readonly sealed: string | null },
): unknown => (sealed === null ? undefined : JSON.parse(vault.open(sealed, codeContext(id)).toString('utf8')));

/** Finds a valid code without redeeming it. */
export const findCode = async (sql: Sql, purpose: CodePurpose, code: string): Promise<CodeRow | undefined> =>
  CODE_FORM.test(code) ? findCodeRow(sql, purpose, hashOf(purpose, code)) : undefined;
