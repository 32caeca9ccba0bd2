import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import type { TestProject } from 'vitest/node';
import { startPostgres } from '../local/postgres.ts';
import { startRedis } from '../local/redis.ts';
import { migrate } from '../postgres/migrate.ts';

declare module 'vitest' {
  interface ProvidedContext {
    /** URL of the template database; `createTestDatabase` clones it. */
    templateUrl: string;
    redisUrl: string;
  }
}

export const TEMPLATE_DATABASE = 'sallyport_template';

/** Starts a real Postgres and a real Redis once per run, with one migrated template database to clone. */
export async function setup(project: TestProject): Promise<() => Promise<void>> {
  const dataDir = await mkdtemp(join(tmpdir(), 'sallyport-test-'));
  const say = (text: string): void => void process.stderr.write(`${text}\n`);
  const [postgres, redis] = await Promise.all([startPostgres({ dataDir, say }), startRedis({ dataDir, say })]);
  const admin = new pg.Client({ connectionString: postgres.url });
  await admin.connect();
  await admin.query(`CREATE DATABASE ${TEMPLATE_DATABASE}`);
  await admin.end();
  const templateUrl = new URL(postgres.url);
  templateUrl.pathname = `/${TEMPLATE_DATABASE}`;
  await migrate(templateUrl.href);
  project.provide('templateUrl', templateUrl.href);
  project.provide('redisUrl', redis.url);
  return async () => {
    await Promise.all([postgres.stop(), redis.stop()]);
    await rm(dataDir, { recursive: true, force: true });
  };
}
