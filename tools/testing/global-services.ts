import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import type { TestProject } from 'vitest/node';
import { startPostgres } from '#services/platform/local/postgres.ts';
import { startRedis } from '#services/platform/local/redis.ts';
import { migrate } from '#services/platform/postgres/migrate.ts';
import { queryRows } from './harness/ports.ts';
import { copyCluster, makeCluster } from './processes/prepared-cluster.ts';

declare module 'vitest' {
  // biome-ignore lint/style/useConsistentTypeDefinitions: only an interface merges with the library's.
  interface ProvidedContext {
    /** URL of the template database; `createTestDatabase` clones it. */
    templateUrl: string;
    redisUrl: string;
    /** A data directory with a new cluster; `copyCluster` copies it. */
    clusterDir: string;
  }
}

export const TEMPLATE_DATABASE = 'sallyport_template';

/** Starts a real Postgres and a real Redis once per run, with one migrated template database to clone. */
export async function setup(project: TestProject): Promise<() => Promise<void>> {
  const folder = await mkdtemp(join(tmpdir(), 'sallyport-test-'));
  // As root, Postgres runs as another user, who must be able to pass through.
  await chmod(folder, 0o755);
  const [clusterDir, dataDir] = [join(folder, 'cluster'), join(folder, 'data')];
  const say = (text: string): void => void process.stderr.write(`${text}\n`);
  await makeCluster(clusterDir, say);
  await copyCluster(clusterDir, dataDir);
  const [postgres, redis] = await Promise.all([startPostgres({ dataDir, say }), startRedis({ dataDir, say })]);
  const admin = new pg.Client({ connectionString: postgres.url });
  await admin.connect();
  await admin.query(`CREATE DATABASE ${TEMPLATE_DATABASE}`);
  await admin.end();
  const templateUrl = new URL(postgres.url);
  templateUrl.pathname = `/${TEMPLATE_DATABASE}`;
  await migrate(templateUrl.href);
  for (const table of process.env.TEST_WITHOUT_TABLES?.split(',') ?? [])
    await queryRows(templateUrl.href)(`DROP TABLE ${table} CASCADE`);
  project.provide('templateUrl', templateUrl.href);
  project.provide('redisUrl', redis.url);
  project.provide('clusterDir', clusterDir);
  return async () => {
    await Promise.all([postgres.stop(), redis.stop()]);
    await rm(folder, { recursive: true, force: true });
  };
}
