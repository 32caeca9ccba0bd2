import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Redis } from 'ioredis';
import { afterEach, beforeEach, describe, expect, inject, onTestFinished, test } from 'vitest';
import { testFolder } from '#tools/testing/test-folder.ts';
import { randomFreePort } from '../services/platform/local/ports.ts';
import { startPostgres } from '../services/platform/local/postgres.ts';
import { startRedis } from '../services/platform/local/redis.ts';
import type { LocalService } from '../services/platform/local/shared-service.ts';
import { eventually } from '../tools/testing/eventually.ts';
import { openContext } from './context.ts';

let dataDir: string;
const services: LocalService[] = [];
beforeEach(() => {
  dataDir = testFolder(onTestFinished);
});
afterEach(async () => {
  for (const service of services.splice(0)) await service.stop();
});

const credentials = (urls: Record<string, string>): void =>
  writeFileSync(join(dataDir, 'dev-credentials.json'), JSON.stringify(urls));

describe('the stores of a verb', () => {
  test('are those of the environment, else the running local servers, else those of the credentials file', async () => {
    const given = {
      databaseUrl: inject('templateUrl').replace('sallyport_template', 'postgres'),
      redisUrl: inject('redisUrl'),
    };
    credentials({ database_url: given.databaseUrl, redis_url: given.redisUrl });
    const env = { SALLYPORT_DATA_DIR: dataDir };
    expect(await openContext(['databaseUrl', 'redisUrl'], env)).toEqual({ dataDir, ...given });

    const say = (): void => {};
    services.push(await startRedis({ dataDir, say }), await startPostgres({ dataDir, say }));
    const [redis, postgres] = services;
    expect(await openContext(['databaseUrl', 'redisUrl'], env)).toEqual({
      dataDir,
      databaseUrl: postgres!.url,
      redisUrl: redis!.url,
    });
    const set = { ...env, DATABASE_URL: given.databaseUrl, REDIS_URL: given.redisUrl };
    expect(await openContext(['databaseUrl', 'redisUrl'], set)).toEqual({ dataDir, ...given });
  });

  test('end the command with exit code 3 and a fix if an address that the verb needs is unknown', async () => {
    const env = { SALLYPORT_DATA_DIR: dataDir, REDIS_URL: inject('redisUrl') };
    await expect(openContext(['databaseUrl'], env)).rejects.toMatchObject({
      exitCode: 3,
      fix: expect.stringContaining('DATABASE_URL'),
    });
    expect(await openContext(['redisUrl'], env)).toEqual({ dataDir, redisUrl: env.REDIS_URL });
    expect(await openContext([], env)).toEqual({ dataDir });
  });

  test('an embedded store that does not answer is looked for in its log, not in a setting that is not set', async () => {
    credentials({ database_url: `postgres://x:y@127.0.0.1:${await randomFreePort()}/z` });
    mkdirSync(join(dataDir, 'run'));
    const log = join(dataDir, 'run/postgres.log');
    writeFileSync(log, 'FATAL');
    const asked = openContext(['databaseUrl'], { SALLYPORT_DATA_DIR: dataDir });
    await expect(asked).rejects.toMatchObject({ exitCode: 3, fix: expect.stringContaining(log) });
    await expect(asked).rejects.not.toMatchObject({ fix: expect.stringContaining('DATABASE_URL') });
  });

  test('a Redis that cannot write to its disk is reported with disk space as the fix, not a start', async () => {
    services.push(await startRedis({ dataDir, say: () => {} }));
    const redis = new Redis(services[0]!.url);
    // A directory takes the path of the snapshot.
    mkdirSync(join(dataDir, 'redis/dump.rdb'), { recursive: true });
    await redis.config('SET', 'save', '3600 1');
    await redis.bgsave();
    await eventually('a snapshot that failed', async () => /rdb_last_bgsave_status:err/.test(await redis.info()));
    await expect(openContext(['redisUrl'], { SALLYPORT_DATA_DIR: dataDir })).rejects.toMatchObject({
      exitCode: 3,
      message: 'Redis refuses (MISCONF)',
      fix: expect.stringContaining('make room'),
    });
    // Otherwise Redis would not stop without a snapshot.
    await redis.config('SET', 'save', '');
    redis.disconnect();
  });

  test('a server that does not answer ends the command with exit code 3 and a message without its password', async () => {
    const port = await randomFreePort();
    const env = {
      SALLYPORT_DATA_DIR: dataDir,
      DATABASE_URL: `postgres://u:hidden-word@127.0.0.1:${port}/d`,
      REDIS_URL: `redis://:hidden-word@127.0.0.1:${port}`,
    };
    for (const need of ['databaseUrl', 'redisUrl'] as const) {
      const err = await openContext([need], env).catch((cause: unknown) => cause);
      expect(err).toMatchObject({ exitCode: 3 });
      expect(String((err as Error).message)).not.toContain('hidden-word');
    }
  });
});
