import { createHash, timingSafeEqual } from 'node:crypto';
import { codeContext } from '#services/core/keys/secrets/sealed-contexts.ts';
import type { Ports, Sql, Tx } from '#services/core/ports.ts';
import { newUserCode, normaliseUserCode } from '#services/core/shared/user-codes.ts';
import { normaliseEmail } from '#services/platform/define/email.ts';
import { lockUser } from '../users/accounts.store.ts';
import {
  type CodePurpose,
  type CodeRow,
  countTypedTry,
  deleteCode,
  findCodeRow,
  insertCode,
  lockTypableCodes,
  type TypableCode,
} from './one-time-codes.store.ts';

/**
 * Lifetimes of codes in seconds; the lifetime of an invitation is a setting. Confirming an address opens no session and
 * may wait for an hour. A code that opens an existing account lives as long as an out-of-band code may (ASVS 5.0, 6.5.5).
 */
export const CODE_SECONDS: Readonly<Record<Exclude<CodePurpose, 'invitation'>, number>> = {
  sign_up: 3_600,
  verify_email: 3_600,
  change_email: 3_600,
  reset_password: 600,
  unlock_account: 600,
};

const CODE_BYTES = 32;
const CODE_FORM = /^[A-Za-z0-9_-]{43}$/;
export const isLinkCode = (text: string): boolean => CODE_FORM.test(text);

const hashOf = (purpose: CodePurpose, code: string): Buffer =>
  createHash('sha256').update(`one-time code\0${purpose}\0${code}`).digest();

/** Bound to the purpose and the address; sealed in its row, because so short a code could be found from its hash alone. */
const typedHashOf = (purpose: CodePurpose, email: string, typed: string): Buffer =>
  createHash('sha256').update(`typed code\0${purpose}\0${email}\0${typed}`).digest();

/** One code in both forms: in the link of its mail, and to be typed. */
export type IssuedCode = { readonly code: string; readonly typed: string };

/** A code as the use-cases take it: from a link, or found by `findTypedCode`. */
export type MailedCode = string | Pick<TypableCode, 'purpose' | 'hash'>;

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

/**
 * Issues a code of 256 random bits, and a short one for readers who cannot open the link; null if this address got enough
 * codes a moment ago. Only hashes are stored.
 */
export async function issueCode(
  tx: Sql,
  { random, vault }: Pick<Ports, 'random' | 'vault'>,
  { carries, isUnasked = false, ...code }: NewCode,
): Promise<IssuedCode | null> {
  const text = random.bytes(CODE_BYTES).toString('base64url');
  const typed = newUserCode(random);
  const typedHash = typedHashOf(code.purpose, code.email, typed).toString('base64url');
  const isIssued = await insertCode(tx, {
    ...code,
    hash: hashOf(code.purpose, text),
    isUncapped: isUnasked || code.purpose === 'invitation',
    sealed: vault.seal(Buffer.from(JSON.stringify({ ...carries, typedHash })), codeContext(code.id)),
  });
  return isIssued ? { code: text, typed } : null;
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
  code: MailedCode,
): Promise<RedeemedCode | undefined> {
  for (const purpose of purposes) {
    const found = await findCode(tx, purpose, code);
    if (!found) continue;
    if (found.user_id !== null) await lockUser(tx, found.user_id);
    const row = await deleteCode(tx, found.id);
    return row && { purpose, userId: row.user_id, email: row.email, carries: openCode(ports, row) };
  }
  return undefined;
}

type Sealed = { readonly typedHash?: string; readonly [member: string]: unknown };
type SealedIn = { readonly id: string; readonly sealed: string | null };

const unseal = ({ vault }: Pick<Ports, 'vault'>, { id, sealed }: SealedIn): Sealed =>
  sealed === null ? {} : (JSON.parse(vault.open(sealed, codeContext(id)).toString('utf8')) as Sealed);

/** Unseals the data of a code; undefined if it carries none. */
export function openCode(ports: Pick<Ports, 'vault'>, code: SealedIn): object | undefined {
  const { typedHash: _, ...carries } = unseal(ports, code);
  return Object.keys(carries).length === 0 ? undefined : carries;
}

/** Finds a valid code without redeeming it. */
export async function findCode(sql: Sql, purpose: CodePurpose, code: MailedCode): Promise<CodeRow | undefined> {
  if (typeof code !== 'string') return code.purpose === purpose ? findCodeRow(sql, purpose, code.hash) : undefined;
  return isLinkCode(code) ? findCodeRow(sql, purpose, hashOf(purpose, code)) : undefined;
}

/**
 * Finds the code that was typed with the address that it was sent to, without redeeming it. A wrong one is counted for
 * every code that the address has for these purposes; after five they can only be redeemed by their links. The statements
 * are the same for an address without codes, whose attempts would otherwise take less time than those of an account.
 */
export async function findTypedCode(
  tx: Tx,
  ports: Pick<Ports, 'vault'>,
  purposes: readonly CodePurpose[],
  { email: given, typed }: { readonly email: string; readonly typed: string },
): Promise<MailedCode | undefined> {
  const code = normaliseUserCode(typed);
  if (code === null) return undefined;
  const email = normaliseEmail(given);
  const rows = await lockTypableCodes(tx, email, purposes);
  const found = rows.find((row) => isTyped(unseal(ports, row), typedHashOf(row.purpose, email, code)));
  if (found === undefined)
    await countTypedTry(
      tx,
      rows.map(({ id }) => id),
    );
  return found && { purpose: found.purpose, hash: found.hash };
}

function isTyped({ typedHash }: Sealed, hash: Buffer): boolean {
  const stored = Buffer.from(typedHash ?? '', 'base64url');
  return stored.length === hash.length && timingSafeEqual(stored, hash);
}
