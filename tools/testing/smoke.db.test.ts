import { expect, test } from 'vitest';
import { defineStatement } from '#services/platform/define/statement.ts';
import { createSql, createTransact } from '#services/platform/postgres/pool.ts';
import { connectRedis } from '#services/platform/redis/redis.ts';
import { opened } from '#tools/testing/opened.ts';
import { createPatientPool } from './harness/ports.ts';
import { createTestDatabase, testRedisUrl } from './harness/stores.ts';
import { startTcpProxy } from './processes/tcp-proxy.ts';

const database = opened(createTestDatabase);

const insertUser = defineStatement('testUserInsert')`INSERT INTO users (id, email) VALUES ($1, $2)`;
const revocationRows = defineStatement('testRevocations')`SELECT kind, value, epoch FROM revocations ORDER BY epoch`;

test('revocations are numbered at commit, in order and without gaps, and a rollback takes no number', async () => {
  const pool = createPatientPool({ url: database.url, connections: 4, applicationName: 'test' });
  const transact = createTransact(pool, (err) => {
    throw err;
  });
  const sql = createSql(pool);
  await sql.query(insertUser, ['u1', 'u1@example.test']);
  const bump = defineStatement('testBump')`UPDATE users SET "tokenEpoch" = "tokenEpoch" + 1 WHERE id = 'u1'`;
  await transact((tx) => tx.query(bump));
  await expect(
    transact(async (tx) => {
      await tx.query(bump);
      throw new Error('no');
    }),
  ).rejects.toThrow('no');
  await transact((tx) => tx.query(bump));
  expect(await sql.query(revocationRows)).toMatchObject([{ epoch: 1 }, { epoch: 2 }]);
  await pool.end();
});

test('Redis that keeps its connections and answers nothing is not ready, until it answers again', async () => {
  const proxy = await startTcpProxy(testRedisUrl());
  const redis = connectRedis(proxy.url, () => {});
  await expect.poll(() => redis.isReady()).toBe(true);
  proxy.freeze();
  await expect.poll(() => redis.isReady(), { timeout: 60_000 }).toBe(false);
  proxy.thaw();
  await expect.poll(() => redis.isReady(), { timeout: 60_000 }).toBe(true);
  await redis.close();
  await proxy.cut();
});
