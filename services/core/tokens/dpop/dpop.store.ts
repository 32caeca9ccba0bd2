import type { Sql } from '#services/core/ports.ts';
import { definePurge } from '#services/core/shared/purge.store.ts';
import { defineStatement } from '#services/platform/define/statement.ts';

/** Uses the primary key. Of concurrent uses of a proof, on any copies, only one inserts a row. */
const proofConsume = defineStatement(
  'dpopProofConsume',
  `INSERT INTO dpop_proofs (proof_hash, expires_at) VALUES ($1::bytea, clock_timestamp() + make_interval(secs => $2::float8))
   ON CONFLICT (proof_hash) DO NOTHING RETURNING 1`,
);

/** True for the first use of the proof. */
export const insertProof = async (sql: Sql, proofHash: Buffer, keepSeconds: number): Promise<boolean> =>
  (await sql.query(proofConsume, [proofHash, keepSeconds])).length === 1;

/** Proofs that are too old to be accepted again. Index: dpop_proofs_expires_at. */
export const dpopProofPurge = definePurge({
  table: 'dpop_proofs',
  id: 'proof_hash',
  ends: 'expires_at',
  stays: `interval '1 minute'`,
});
