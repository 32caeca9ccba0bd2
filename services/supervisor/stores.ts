import { setTimeout as sleep } from 'node:timers/promises';
import { startPostgres } from '../platform/local/postgres.ts';
import { findRedisUrl, startRedis } from '../platform/local/redis.ts';
import { ensureRedisBinary } from '../platform/local/redis-binary.ts';
import type { LocalService } from '../platform/local/shared-service.ts';
import { backoffMs } from '../platform/process/backoff.ts';
import type { BackoffPolicy } from './backoff.ts';

const LOOK_MS = 500;

export type Stores = {
  readonly databaseUrl: string;
  readonly redisUrl: string;
  /**
   * Restarts a local store whenever it ends, until `stop`. Calls `onMoved` when one had to take another
   * port, so that the processes that use its URL are restarted.
   */
  keepAlive(backoff: BackoffPolicy, onMoved: () => Promise<void>): void;
  /** Stops the local stores; a store given by URL is not touched. */
  stop(): Promise<void>;
};

const given = (url: string): LocalService => ({
  url,
  startedByUs: false,
  revive: async () => 'alive',
  stop: async () => {},
});

/** Both stores, in parallel: as given by `DATABASE_URL` and `REDIS_URL`, else the local ones of the data directory. */
export async function startStores(
  env: NodeJS.ProcessEnv,
  dataDir: string,
  say: (text: string) => void,
): Promise<Stores> {
  // If it is missing, the start ends before a database is created in vain.
  if (!env.REDIS_URL && findRedisUrl(dataDir) === undefined) await ensureRedisBinary(say);
  const [postgres, redis] = await Promise.allSettled([
    env.DATABASE_URL ? given(env.DATABASE_URL) : startPostgres({ dataDir, say, inBackground: true }),
    env.REDIS_URL ? given(env.REDIS_URL) : startRedis({ dataDir, say, inBackground: true }),
  ]);
  let isStopped = false;
  const stop = async (): Promise<void> => {
    isStopped = true;
    await Promise.all([postgres, redis].map((service) => service.status === 'fulfilled' && service.value.stop()));
  };
  if (postgres.status === 'rejected' || redis.status === 'rejected') {
    await stop();
    throw (postgres.status === 'rejected' ? postgres : (redis as PromiseRejectedResult)).reason;
  }

  const keepOneAlive = async (
    name: string,
    service: LocalService,
    backoff: BackoffPolicy,
    onMoved: () => Promise<void>,
  ): Promise<void> => {
    let failures = 0;
    while (!isStopped) {
      await sleep(failures === 0 ? LOOK_MS : backoffMs(backoff, failures), undefined, { ref: false });
      if (isStopped) return;
      try {
        const state = await service.revive();
        failures = 0;
        if (state !== 'alive') say(`${name} had ended: started again`);
        if (state === 'moved') await onMoved();
      } catch (err) {
        failures += 1;
        say(`${name} has ended and does not start again: ${(err as Error).message}`);
      }
    }
  };
  return {
    get databaseUrl() {
      return postgres.value.url;
    },
    get redisUrl() {
      return redis.value.url;
    },
    keepAlive: (backoff, onMoved) => {
      void keepOneAlive('Postgres', postgres.value, backoff, onMoved);
      void keepOneAlive('Redis', redis.value, backoff, onMoved);
    },
    stop,
  };
}
