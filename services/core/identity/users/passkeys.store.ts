import type { Sql, Tx } from '#services/core/ports.ts';
import { defineStatement } from '#services/platform/define/statement.ts';

export const PASSKEYS_MAXIMUM = 20;

export type PasskeyRow = {
  readonly id: string;
  readonly userId: string;
  readonly name: string | null;
  /** The public key in COSE, as base64. */
  readonly publicKey: string;
  readonly credentialID: string;
  readonly counter: number;
  readonly deviceType: string;
  readonly backedUp: boolean;
  readonly transports: string | null;
  readonly aaguid: string | null;
  readonly createdAt: Date;
};

const COLUMNS = `id, "userId", name, "publicKey", "credentialID", counter, "deviceType", "backedUp", transports, aaguid,
  "createdAt"`;

/** Index: passkeys_user_id. */
const passkeysRead = defineStatement('passkeysRead')`
  SELECT ${COLUMNS} FROM passkeys WHERE "userId" = $1
  ORDER BY "createdAt", id LIMIT ${PASSKEYS_MAXIMUM}`;

const passkeyRename = defineStatement('passkeyRename')`
  UPDATE passkeys SET name = $3 WHERE id = $2 AND "userId" = $1
  RETURNING ${COLUMNS}`;

/** The row trigger writes the event and ends every session of the user. */
const passkeyDelete = defineStatement('passkeyDelete')`
  DELETE FROM passkeys WHERE id = $2 AND "userId" = $1 RETURNING 1`;

/** Index: the unique key of credentialID. */
const passkeyFind = defineStatement('passkeyFind', `SELECT ${COLUMNS} FROM passkeys WHERE "credentialID" = $1`);

/** The row trigger writes the event. */
const passkeyInsert = defineStatement('passkeyInsert')`
  INSERT INTO passkeys (${COLUMNS}) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)`;

const passkeyCount = defineStatement('passkeyCount', 'UPDATE passkeys SET counter = $2 WHERE id = $1');

/** A passkey by its credential id (WebAuthn §5.1). */
export const findPasskey = async (sql: Sql, credentialId: string): Promise<PasskeyRow | undefined> =>
  (await sql.query<PasskeyRow>(passkeyFind, [credentialId]))[0];

/** Throws a unique violation of `passkeys_credentialID_key` if it is registered already. */
export async function insertPasskey(tx: Tx, row: PasskeyRow): Promise<void> {
  const { id, userId, name, publicKey, credentialID, counter, deviceType, backedUp } = row;
  const rest = [row.transports, row.aaguid, row.createdAt];
  await tx.query(passkeyInsert, [id, userId, name, publicKey, credentialID, counter, deviceType, backedUp, ...rest]);
}

/** Stores how often the authenticator says it has signed (WebAuthn §6.1.1). */
export const storeCounter = async (tx: Tx, id: string, counter: number): Promise<void> => {
  await tx.query(passkeyCount, [id, counter]);
};

export const readPasskeys = (sql: Sql, userId: string): Promise<PasskeyRow[]> =>
  sql.query<PasskeyRow>(passkeysRead, [userId]);

/** Returns undefined if this user has no such passkey, even if another user has it. */
export async function renamePasskeyRow(
  sql: Sql,
  userId: string,
  { id, name }: { readonly id: string; readonly name: string },
): Promise<PasskeyRow | undefined> {
  const [row] = await sql.query<PasskeyRow>(passkeyRename, [userId, id, name]);
  return row;
}

export const deletePasskey = async (tx: Tx, userId: string, id: string): Promise<boolean> =>
  (await tx.query(passkeyDelete, [userId, id])).length > 0;
