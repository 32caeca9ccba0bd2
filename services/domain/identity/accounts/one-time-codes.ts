import { createHash } from 'node:crypto';
import { codeContext } from '#services/domain/keys/secrets/sealed-contexts.ts';
import type { Ports, Sql, Tx } from '#services/domain/ports.ts';
import { lockUser } from './accounts.store.ts';
import { type CodePurpose, type CodeRow, deleteCode, findCodeRow, insertCode } from './one-time-codes.store.ts';

/**
 * Seconds a code lives; of an invitation the settings tell. A code by which its reader sets a password lives as long as
 * an out-of-band code may (ASVS 5.0, 6.5.5).
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
  /** UUIDv7 of the code, or of the mail that carries it: another try to send replaces the code of the one before. */
  readonly id: string;
  readonly purpose: CodePurpose;
  /** Null where no account has the address yet. */
  readonly userId: string | null;
  /** `tokenEpoch` of that user when the proof was asked for: the code counts while it is the same. */
  readonly userEpoch: number | null;
  readonly email: string;
  readonly lifeSeconds: number;
  /** Its mail comes without anybody asking: strangers who ask for others take no place of it. */
  readonly isUnasked?: boolean;
  /** What takes effect with the proof; sealed at rest. */
  readonly carries?: object;
};

/** 256 random bits for one purpose, or null where enough codes for this address are alive. Only the hash is stored. */
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

export type ProvenCode = {
  readonly purpose: CodePurpose;
  readonly userId: string | null;
  /** The address it was sent to. */
  readonly email: string;
  readonly carries: unknown;
};

/**
 * Uses a code up: of any number of callers one gets it. Its user is locked first, as by whoever deletes users and
 * their codes with them. Undefined where it is wrong, over, used, or of before its user's logins ended.
 */
export async function redeemCode(
  tx: Tx,
  ports: Pick<Ports, 'vault'>,
  purposes: readonly CodePurpose[],
  code: string,
): Promise<ProvenCode | undefined> {
  for (const purpose of purposes) {
    const found = await findCode(tx, purpose, code);
    if (!found) continue;
    if (found.userId !== null) await lockUser(tx, found.userId);
    const row = await deleteCode(tx, found.id);
    return row && { purpose, userId: row.userId, email: row.email, carries: openCode(ports, row) };
  }
  return undefined;
}

/** What a code carries, opened. */
export const openCode = (
  { vault }: Pick<Ports, 'vault'>,
  { id, sealed }: { readonly id: string; readonly sealed: string | null },
): unknown => (sealed === null ? undefined : JSON.parse(vault.open(sealed, codeContext(id)).toString('utf8')));

/** The code as it would be redeemed now; it is not used up. */
export const findCode = async (sql: Sql, purpose: CodePurpose, code: string): Promise<CodeRow | undefined> =>
  CODE_FORM.test(code) ? findCodeRow(sql, purpose, hashOf(purpose, code)) : undefined;
