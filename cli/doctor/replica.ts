import { type Check, fail, pass, type Result, warn } from '#services/core/health/doctor-check.ts';
import { createPool, createSql } from '#services/platform/postgres/pool.ts';
import { type ReplicaFacts, readReplicaFacts } from '#services/platform/postgres/replica.ts';
import { troubleOf } from '#services/platform/process/store-trouble.ts';

const IN_USE = 'its reads go to the primary';

export function replicaResult(facts: ReplicaFacts | undefined, maxAgeSeconds: number): Result {
  if (facts?.is_standby !== true)
    return fail(
      `DATABASE_REPLICA_URL leads to no standby: ${IN_USE}`,
      'let it lead to a standby that streams from the server of DATABASE_URL',
    );
  const ageSeconds = facts.age_ms === null ? null : Math.round(facts.age_ms / 1_000);
  const evidence = `a standby, ${ageSeconds === null ? 'which has replayed nothing yet' : `${ageSeconds} s behind`}`;
  if (ageSeconds === null || ageSeconds > maxAgeSeconds)
    return warn(
      `${evidence}, more than ${maxAgeSeconds} s: ${IN_USE}`,
      'see its log, and pg_stat_replication on the primary; without a running API its age says nothing',
    );
  return pass(evidence);
}

export const replicaCheck: Check = {
  name: 'replica',
  run: async (settings) => {
    const { databaseReplicaUrl: url, replicaMaxAgeSeconds } = (await settings()).stores;
    if (url === undefined) return pass('none: the primary answers every read');
    const limits = { statementTimeoutMs: 3_000, lockTimeoutMs: 3_000, connectTimeoutMs: 3_000 };
    const pool = createPool({ ...limits, url, connections: 1, applicationName: 'sallyport-cli' });
    try {
      return replicaResult(await readReplicaFacts(createSql(pool)), replicaMaxAgeSeconds);
    } catch (err) {
      const trouble = troubleOf('PostgreSQL', url, err, 3, 'DATABASE_REPLICA_URL');
      return warn(`${trouble?.sentence ?? 'the standby refuses'}: ${IN_USE}`, trouble?.fix ?? 'see its log');
    } finally {
      await pool.end();
    }
  },
};
