import { type Check, fail, pass, warn } from '#services/core/health/doctor-check.ts';
import { probePooler, probePostgres } from '#services/platform/process/probe-store.ts';
import { troubleOf } from '#services/platform/process/store-trouble.ts';
import { openContext } from '../context.ts';

export const poolerCheck: Check = {
  name: 'pooler',
  needs: 'databaseUrl',
  run: async (settings) => {
    const { databaseUrl: pooledUrl, databaseDirectUrl } = (await settings()).stores;
    await openContext(['databaseUrl']);
    if (pooledUrl === undefined || databaseDirectUrl === undefined)
      return pass('none: every connection leads to PostgreSQL itself');
    const refused = (err: unknown) => {
      const trouble = troubleOf('PostgreSQL', pooledUrl, err);
      return fail(trouble?.sentence ?? 'the pooler refuses', trouble?.fix ?? 'see its log');
    };
    try {
      await probePooler({ pooledUrl, databaseUrl: databaseDirectUrl });
    } catch (err) {
      return refused(err);
    }
    const isDirect = await probePostgres(pooledUrl).then(
      () => true,
      () => false,
    );
    return isDirect
      ? warn(
          'DATABASE_URL leads to PostgreSQL itself, so DATABASE_DIRECT_URL only costs round trips',
          'unset DATABASE_DIRECT_URL, or let DATABASE_URL lead to the pooler',
        )
      : pass('DATABASE_URL leads through a pooler in transaction mode to the database of DATABASE_DIRECT_URL');
  },
};
