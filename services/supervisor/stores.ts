import { startPostgres } from '../platform/local/postgres.ts';
import { startRedis } from '../platform/local/redis.ts';
import type { LocalService } from '../platform/local/shared-service.ts';

export interface Stores {
  databaseUrl: string;
  redisUrl: string;
  /** Gives up the local ones; what was given by URL is left alone. */
  stop(): Promise<void>;
}

const given = (url: string): LocalService => ({ url, startedByUs: false, stop: async () => {} });

/** Both stores, side by side: as given by `DATABASE_URL` and `REDIS_URL`, else the local ones of the data directory. */
export async function startStores(
  env: NodeJS.ProcessEnv,
  dataDir: string,
  say: (text: string) => void,
): Promise<Stores> {
  const [postgres, redis] = await Promise.allSettled([
    env.DATABASE_URL ? given(env.DATABASE_URL) : startPostgres({ dataDir, say }),
    env.REDIS_URL ? given(env.REDIS_URL) : startRedis({ dataDir, say }),
  ]);
  const stop = async (): Promise<void> => {
    await Promise.all([postgres, redis].map((service) => service.status === 'fulfilled' && service.value.stop()));
  };
  if (postgres.status === 'rejected' || redis.status === 'rejected') {
    await stop();
    throw (postgres.status === 'rejected' ? postgres : (redis as PromiseRejectedResult)).reason;
  }
  return { databaseUrl: postgres.value.url, redisUrl: redis.value.url, stop };
}
