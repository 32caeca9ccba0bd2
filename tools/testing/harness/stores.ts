import { randomBytes } from 'node:crypto';
import type pg from 'pg';
import { inject } from 'vitest';
import { TEMPLATE_DATABASE } from '../global-services.ts';
import { connectedClient, createTestPorts, type PortsOptions, type TestPorts } from './ports.ts';

export type TestDatabase = { readonly url: string; drop(): Promise<void> };

/** Connects as the role that creates and drops databases. */
export async function onServer(work: (admin: pg.Client) => Promise<unknown>): Promise<void> {
  const url = new URL(inject('templateUrl'));
  url.pathname = '/postgres';
  const admin = await connectedClient(url.href);
  try {
    await work(admin);
  } finally {
    await admin.end();
  }
}

/**
 * A database of one's own, cloned from the migrated template; one per test file.
 * @param filled another to clone: what each of its tests begins with, filled once and no longer connected to
 */
export async function createTestDatabase(filled?: TestDatabase): Promise<TestDatabase> {
  const name = `t_${randomBytes(6).toString('hex')}`;
  const template = filled ? new URL(filled.url).pathname.slice(1) : TEMPLATE_DATABASE;
  await onServer((admin) => admin.query(`CREATE DATABASE ${name} TEMPLATE ${template}`));
  const url = new URL(inject('templateUrl'));
  url.pathname = `/${name}`;
  return { url: url.href, drop: () => onServer((admin) => dropDatabase(admin, name)) };
}

/** PostgreSQL checkpoints before it drops. In one run of many that checkpoint failed, and the next did not. */
async function dropDatabase(admin: pg.Client, name: string): Promise<void> {
  const drop = () => admin.query(`DROP DATABASE IF EXISTS ${name} WITH (FORCE)`);
  await drop().catch(async (err: Error) => {
    if (err.message !== 'checkpoint request failed') throw err;
    await drop();
  });
}

export type OwnPorts = TestPorts & { readonly databaseUrl: string };

/** Ports on a database of their own, which `end` drops: one per test file. */
export async function openTestPorts(options: PortsOptions = {}): Promise<OwnPorts> {
  const database = await createTestDatabase();
  const ports = createTestPorts(database.url, options);
  const end = async (): Promise<void> => {
    await ports.end();
    await database.drop();
  };
  return { ...ports, databaseUrl: database.url, end };
}

/** The numbers of this test process's databases in the shared Redis, emptied before each file. */
export function redisDatabases(): readonly number[] {
  const worker = Number(process.env.VITEST_POOL_ID ?? '1');
  return [0, 1, 2, 3].map((each) => (worker * 4 + each) % 16);
}

let claimed = 0;

/** URL of a Redis database of one's own, empty when the file begins; a file may claim four. */
export function testRedisUrl(): string {
  const url = new URL(inject('redisUrl'));
  url.pathname = `/${redisDatabases()[claimed++ % 4]}`;
  return url.href;
}
