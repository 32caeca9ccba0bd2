import { type Check, fail, pass, type Result, warn } from '#services/core/health/doctor-check.ts';
import { troubleOf } from '#services/platform/process/store-trouble.ts';
import { type RedisFacts, readRedisFacts } from '#services/platform/redis/facts.ts';
import { openContext } from '../context.ts';

/** Losing all of Redis is harmless. Losing single keys is not: a missing job would go unnoticed for too long. */
/** @param isProduction then the user should have no more rights than a process uses */
export function redisResult(
  { version, evictionPolicy, isAppendOnly, masters, user }: RedisFacts,
  isProduction: boolean,
): Result {
  const cluster = masters === null ? '' : `cluster of ${masters} masters, `;
  const evidence = `${cluster}version ${version}, maxmemory-policy ${evictionPolicy}, append-only file ${isAppendOnly ? 'on' : 'off'}`;
  if (evictionPolicy !== 'noeviction') return fail(evidence, 'set maxmemory-policy noeviction');
  if (!isAppendOnly) return warn(evidence, 'set appendonly yes; without it, a restart loses the waiting jobs');
  if (user !== null && isProduction)
    return warn(
      `${evidence}; the user ${user} may do more than a process needs`,
      'give each process a user of its own: docs/how-to/run-in-production.md, "Redis users"',
    );
  return pass(evidence);
}

export const redisCheck: Check = {
  name: 'redis',
  needs: 'redisUrl',
  run: async (settings) => {
    const { redisUrl } = await openContext(['redisUrl']);
    try {
      return redisResult(await readRedisFacts(redisUrl), (await settings()).server.profile === 'production');
    } catch (err) {
      const trouble = troubleOf('Redis', redisUrl, err);
      return fail(trouble?.sentence ?? 'Redis does not answer INFO', trouble?.fix ?? 'check REDIS_URL');
    }
  },
};
