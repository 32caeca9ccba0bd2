import type { Sql } from '#services/core/ports.ts';
import { definePurge } from '#services/core/shared/purge.store.ts';
import { defineStatement } from '#services/platform/define/statement.ts';

/** What a code authorises; each purpose has its own codes. */
export type CodePurpose =
  | 'sign_up'
  | 'verify_email'
  | 'change_email'
  | 'reset_password'
  | 'unlock_account'
  | 'invitation';

export type CodeRow = {
  readonly id: string;
  /** Null for a sign-up: redeeming the code creates the account. */
  readonly user_id: string | null;
  readonly email: string;
  readonly sealed: string | null;
};

/** Maximum of codes for one address and purpose in `CAP_MINUTES`: an attacker cannot flood a mailbox. */
const CODES_MAX = 3;
/** Maximum for one address over all purposes, so that requesting several kinds of mail does not raise the limit. */
const CODES_EVER_MAX = 5;
const CAP_MINUTES = 10;
/** Wrong codes that are typed for an address until the codes that it has can only be redeemed by their links. */
const TYPED_TRIES_MAX = 5;
/**
 * Selects the codes that count towards the limits. Invitation codes do not: only administrators create them, one for
 * each account, and requests by strangers must not prevent them.
 */
const OF_STRANGERS = `purpose <> 'invitation'`;

/**
 * Index: one_time_codes_email. $9: without limits. Replaces the code of the same id, which an earlier attempt to send
 * the same mail issued.
 */
const codeIssue = defineStatement('codeIssue')`
  INSERT INTO one_time_codes (id, purpose, hash, user_id, email, sealed, expires_at, user_epoch)
  SELECT $1::uuid, $2, $3, $4, $5, $6, clock_timestamp() + make_interval(secs => $7), $8
  WHERE $9
    OR (SELECT count(*) < ${CODES_EVER_MAX} AND count(*) FILTER (WHERE purpose = $2) < ${CODES_MAX} FROM one_time_codes
      WHERE email = $5 AND ${OF_STRANGERS} AND expires_at > clock_timestamp() AND id <> $1::uuid
        AND created_at > clock_timestamp() - interval '${CAP_MINUTES} minutes')
  ON CONFLICT (id) DO UPDATE SET hash = EXCLUDED.hash, sealed = EXCLUDED.sealed, expires_at = EXCLUDED.expires_at,
    user_epoch = EXCLUDED.user_epoch, typed_tries = 0
  RETURNING id`;

/**
 * Of concurrent calls, exactly one gets the row; none does after all sessions of the user were ended. The code for a
 * new address is refused too if it was requested before the devices were forgotten; the time of the request is in its
 * id, because the mail may have waited.
 */
const codeDelete = defineStatement('codeDelete')`
  DELETE FROM one_time_codes WHERE id = $1 AND expires_at > clock_timestamp()
    AND (user_id IS NULL OR user_epoch = (SELECT "tokenEpoch" FROM users u WHERE u.id = user_id))
    AND (purpose <> 'change_email' OR NOT EXISTS (SELECT FROM users u WHERE u.id = user_id
      AND u."devicesSince" > to_timestamp(('x' || substr(replace(one_time_codes.id::text, '-', ''), 1, 12))::bit(48)::bigint / 1000.0)))
  RETURNING id, user_id, email, sealed`;

/** Index: the unique key (purpose, hash). */
const codeFind = defineStatement('codeFind')`
  SELECT id, user_id, email, sealed FROM one_time_codes
  WHERE purpose = $1 AND hash = $2 AND expires_at > clock_timestamp()`;

const codeFindNewest = defineStatement('codeFindNewest')`
  SELECT id, user_id, email, sealed FROM one_time_codes
  WHERE email = $1 AND purpose = $2 AND expires_at > clock_timestamp() ORDER BY created_at DESC LIMIT 1`;

/**
 * Locks the codes of an address that can still be typed, in id order, so that concurrent attempts are counted one by
 * one. Index: one_time_codes_email.
 */
const codesTypedLock = defineStatement('codesTypedLock')`
  SELECT id, purpose, hash, sealed FROM one_time_codes
  WHERE email = $1 AND purpose = ANY ($2) AND expires_at > clock_timestamp() AND typed_tries < ${TYPED_TRIES_MAX}
  ORDER BY id FOR UPDATE`;

const codesTriesCount = defineStatement('codesTriesCount')`
  UPDATE one_time_codes SET typed_tries = typed_tries + 1 WHERE id = ANY ($1::uuid[])`;

const codesDelete = defineStatement('codesDelete')`
  DELETE FROM one_time_codes WHERE id IN (
    SELECT id FROM one_time_codes WHERE user_id = $1 OR email = $2 ORDER BY id FOR UPDATE)`;

const codesOfPurposeDelete = defineStatement('codesOfPurposeDelete')`
  DELETE FROM one_time_codes WHERE id IN (
    SELECT id FROM one_time_codes WHERE user_id = $1 AND purpose = $2 ORDER BY id FOR UPDATE)`;

const codesVoidedDelete = defineStatement('codesVoidedDelete')`
  DELETE FROM one_time_codes WHERE user_id = $1 AND purpose = $2 AND expires_at > clock_timestamp()
    AND user_epoch <> (SELECT "tokenEpoch" FROM users WHERE id = $1)
  RETURNING id`;

export async function insertCode(
  tx: Sql,
  code: Omit<CodeRow, 'user_id'> & {
    readonly userId: string | null;
    readonly purpose: CodePurpose;
    readonly hash: Buffer;
    readonly userEpoch: number | null;
    readonly lifeSeconds: number;
    /** Whether to issue the code regardless of other valid codes for the address. */
    readonly isUncapped: boolean;
  },
): Promise<boolean> {
  const { id, purpose, hash, userId, userEpoch, email, sealed, lifeSeconds, isUncapped } = code;
  const values = [id, purpose, hash, userId, email, sealed, lifeSeconds, userEpoch, isUncapped];
  return (await tx.query(codeIssue, values)).length > 0;
}

export async function deleteCode(tx: Sql, id: string): Promise<CodeRow | undefined> {
  const [row] = await tx.query<CodeRow>(codeDelete, [id]);
  return row;
}

export async function findCodeRow(sql: Sql, purpose: CodePurpose, hash: Buffer): Promise<CodeRow | undefined> {
  const [row] = await sql.query<CodeRow>(codeFind, [purpose, hash]);
  return row;
}

export async function findNewestCode(sql: Sql, email: string, purpose: CodePurpose): Promise<CodeRow | undefined> {
  const [row] = await sql.query<CodeRow>(codeFindNewest, [email, purpose]);
  return row;
}

export type TypableCode = Pick<CodeRow, 'id' | 'sealed'> & { readonly purpose: CodePurpose; readonly hash: Buffer };

/** Until commit no other transaction counts an attempt at these codes or redeems one. */
export const lockTypableCodes = (tx: Sql, email: string, purposes: readonly CodePurpose[]): Promise<TypableCode[]> =>
  tx.query<TypableCode>(codesTypedLock, [email, purposes]);

export async function countTypedTry(tx: Sql, ids: readonly string[]): Promise<void> {
  await tx.query(codesTriesCount, [ids]);
}

/** Deletes every code of a user, and every code sent to an address. */
export async function deleteCodes(tx: Sql, userId: string, email: string): Promise<void> {
  await tx.query(codesDelete, [userId, email]);
}

export async function deleteCodesOf(tx: Sql, userId: string, purpose: CodePurpose): Promise<void> {
  await tx.query(codesOfPurposeDelete, [userId, purpose]);
}

/**
 * Deletes the unexpired codes of a user for one purpose that became void when all sessions ended. Returns whether there
 * were any.
 */
export const deleteVoidedCodes = async (tx: Sql, userId: string, purpose: CodePurpose): Promise<boolean> =>
  (await tx.query(codesVoidedDelete, [userId, purpose])).length > 0;

/** Expired codes. Index: one_time_codes_expires_at. */
export const codePurge = definePurge({ table: 'one_time_codes', ends: 'expires_at', stays: `interval '5 minutes'` });
