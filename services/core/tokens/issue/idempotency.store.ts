import type { Sql } from '#services/core/ports.ts';
import { definePurge } from '#services/core/shared/purge.store.ts';
import { defineStatement } from '#services/platform/define/statement.ts';

/** Hours that a response is kept for its key. */
const KEPT_HOURS = 24;

// Uses the primary key. A concurrent duplicate waits here for the commit of the first request. An expired row is replaced.
const idempotencyKeyClaim = defineStatement(
  'idempotencyKeyClaim',
  `INSERT INTO idempotency_keys (key_hash, request_hash, expires_at)
   VALUES ($1, $2, now() + interval '${KEPT_HOURS} hours')
   ON CONFLICT (key_hash) DO UPDATE SET request_hash = excluded.request_hash, status = NULL, response = NULL,
     created_at = clock_timestamp(), expires_at = excluded.expires_at
   WHERE idempotency_keys.expires_at <= now()
   RETURNING 1`,
);
const idempotencyKeyRead = defineStatement(
  'idempotencyKeyRead',
  `SELECT request_hash, response FROM idempotency_keys WHERE key_hash = $1`,
);
const idempotencyKeyAnswer = defineStatement(
  'idempotencyKeyAnswer',
  `UPDATE idempotency_keys SET status = $2, response = $3 WHERE key_hash = $1`,
);
/** Index: idempotency_keys_expires_at. */
export const idempotencyKeyPurge = definePurge({
  table: 'idempotency_keys',
  id: 'key_hash',
  ends: 'expires_at',
  stays: `interval '0'`,
});

type KeptRequest = { readonly request_hash: Buffer; readonly response: Buffer | null };

/** True when this transaction has claimed the key; false when an earlier request has. */
export async function claimIdempotencyKey(tx: Sql, keyHash: Buffer, requestHash: Buffer): Promise<boolean> {
  return (await tx.query(idempotencyKeyClaim, [keyHash, requestHash])).length === 1;
}

export async function readIdempotencyKey(tx: Sql, keyHash: Buffer): Promise<KeptRequest | undefined> {
  const [row] = await tx.query<KeptRequest>(idempotencyKeyRead, [keyHash]);
  return row;
}

export async function writeIdempotencyAnswer(tx: Sql, keyHash: Buffer, status: number, sealed: Buffer): Promise<void> {
  await tx.query(idempotencyKeyAnswer, [keyHash, status, sealed]);
}
