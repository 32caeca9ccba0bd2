import type { Fence, Sql, Tx } from '#services/core/ports.ts';
import { defineStatement } from '../define/statement.ts';
import { runSuperseded } from '../errors.ts';

/** Waits for a write of the previous run that has already passed its fence check. By the primary key. */
const jobFenceNext = defineStatement('jobFenceNext')`
  INSERT INTO job_fences AS f (job, fence) VALUES ($1, 1)
  ON CONFLICT (job) DO UPDATE SET fence = f.fence + 1 RETURNING fence`;

/** Locks the row until the transaction ends, so that no newer run begins between this read and the commit. */
const jobFenceHold = defineStatement('jobFenceHold')`
  SELECT fence FROM job_fences WHERE job = $1 AND fence = $2 FOR UPDATE`;

/** Takes the next fence of a job; from now on only the run with this fence may write. */
export async function takeFence(sql: Sql, job: string): Promise<Fence> {
  const [row] = await sql.query<{ fence: number }>(jobFenceNext, [job]);
  const number = (row as { fence: number }).fence;
  return {
    number,
    hold: async (tx: Tx) => {
      const rows = await tx.query(jobFenceHold, [job, number]);
      if (rows.length === 0) throw runSuperseded();
    },
  };
}
