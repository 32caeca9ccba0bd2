// About: services/platform/redis/
// Real servers: three masters and three replicas of a Redis Cluster with the users of deploy/redis, and the product as processes.
import { hash, randomBytes } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, inject, onTestFinished, test } from 'vitest';
import type { RateBucket } from '#services/core/ports.ts';
import { REVOCATION_STREAM } from '#services/core/revocations/revocation-news.cache.ts';
import { systemClock } from '#services/platform/crypto/system.ts';
import { createRateCounters } from '#services/platform/limiter/rate-counters.ts';
import { randomFreePort } from '#services/platform/local/ports.ts';
import { probeRedis } from '#services/platform/process/probe-store.ts';
import { troubleOf } from '#services/platform/process/store-trouble.ts';
import { createQueueAdmin } from '#services/platform/queue/admin.ts';
import { QUEUE_PREFIX } from '#services/platform/queue/connection.ts';
import { createProducer } from '#services/platform/queue/producer.ts';
import { readRedisFacts } from '#services/platform/redis/facts.ts';
import { connectRedis } from '#services/platform/redis/redis.ts';
import { eventually } from '#tools/testing/eventually.ts';
import { onServer } from '#tools/testing/harness/stores.ts';
import { type RoleProcess, startContainerRole } from '#tools/testing/processes/container-role.ts';
import { type RedisCluster, startRedisCluster } from '#tools/testing/processes/redis-cluster.ts';
import type { Credentials } from '../stack/smoke.ts';
import { createTokenLives, startRedisLoad } from './redis-load-harness.ts';

// Processes start one after another: more than the usual time limit allows on a busy machine.
/** What the product may take to use a master that its cluster has named; the others take a second to miss the old one. */
const NORMAL_WITHIN_MS = 4_000;
/** The most that a copy may take to refuse a token that another has revoked. */
const REVOKED_WITHIN_MS = 1_000;
const OPERATOR = { user: 'operator', password: 'operator-word' };
const WORDS = { sallyport_api: 'api-word', sallyport_worker: 'worker-word' } as const;
const database = `cluster_${randomBytes(5).toString('hex')}`;

let folder: string;
let cluster: RedisCluster;
let copies: { readonly one: string; readonly two: string };
let credentials: Credentials;
const processes: RoleProcess[] = [];

/** By one node: it names the others. */
const urlOf = (user: keyof typeof WORDS, more = 'true'): string =>
  `redis://${user}:${WORDS[user]}@${cluster.nodes[0]}/0?cluster=${more}`;

/** The users of the repository with a password each, and the operator. */
function usersFile(): string {
  const path = join(folder, 'users.acl');
  const lines = readFileSync(resolve(import.meta.dirname, '../../deploy/redis/users.acl'), 'utf8')
    .trim()
    .split('\n');
  const named = lines.map((line) => {
    const user = (Object.keys(WORDS) as (keyof typeof WORDS)[]).find((each) => line.startsWith(`user ${each} `));
    return user === undefined ? line : `${line} #${hash('sha256', WORDS[user])}`;
  });
  writeFileSync(path, [...named, `user operator on ~* &* +@all >${OPERATOR.password}`, ''].join('\n'));
  return path;
}

async function start(role: string, env: Readonly<Record<string, string>> = {}): Promise<RoleProcess> {
  const url = new URL(inject('templateUrl'));
  url.pathname = `/${database}`;
  const child = startContainerRole(role, {
    SALLYPORT_DATA_DIR: join(folder, 'data'),
    BETTER_AUTH_SECRET: Buffer.alloc(32, 7).toString('base64'),
    BETTER_AUTH_URL: copies.one,
    RATE_LIMIT_PROFILE: 'load',
    HOST: '127.0.0.1',
    DATABASE_URL: url.href,
    REDIS_URL: urlOf('sallyport_api', cluster.nodes.slice(1).join(',')),
    ...env,
  });
  processes.push(child);
  return child;
}

/** State of Redis as an API shows it. */
const shownRedis = async (api: string): Promise<string | undefined> => {
  const answer = await fetch(`${api}/readyz`).catch(() => undefined);
  const { components } = ((await answer?.json()) ?? {}) as { components?: Record<string, string> };
  return components?.redis;
};

const untilOk = (api: string): Promise<unknown> =>
  eventually(`${api} to be ready, with Redis`, async () => (await shownRedis(api)) === 'ok').catch((err) =>
    expect.fail(`${(err as Error).message}\n${processes.map((each) => each.said()).join('\n')}`),
  );

const tokens = () => createTokenLives(copies.one, credentials, REVOKED_WITHIN_MS);

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'sallyport-cluster-'));
  cluster = await startRedisCluster({ folder, operator: OPERATOR, usersFile: usersFile() });
  const [one, two, oneMetrics, twoMetrics] = (await Promise.all(Array.from({ length: 4 }, () => randomFreePort()))) as [
    number,
    number,
    number,
    number,
  ];
  copies = { one: `http://127.0.0.1:${one}`, two: `http://127.0.0.1:${two}` };
  await onServer((admin) => admin.query(`CREATE DATABASE ${database}`));
  const migrated = await start('migrate');
  expect(await migrated.exitCode(), migrated.said()).toBe(0);
  credentials = JSON.parse(readFileSync(join(folder, 'data/dev-credentials.json'), 'utf8'));
  await start('api', { PORT: String(one), METRICS_PORT: String(oneMetrics) });
  // So seldom does it poll PostgreSQL that only Redis can tell it of a revocation in time.
  const seldom = { REVOCATION_POLL_MS: '10000', REVOCATION_STALENESS_MS: '30000' };
  await start('api', { PORT: String(two), METRICS_PORT: String(twoMetrics), ...seldom });
  await Promise.all([untilOk(copies.one), untilOk(copies.two)]);
});
afterAll(async () => {
  for (const { child } of processes) child.kill('SIGKILL');
  await cluster?.stop();
  await onServer((admin) => admin.query(`DROP DATABASE IF EXISTS ${database} WITH (FORCE)`));
  rmSync(folder, { recursive: true, force: true });
});

describe('the product on a Redis Cluster', () => {
  test('a revocation reaches another copy through the stream, and not by the poll', async () => {
    await cluster.masterOf(REVOCATION_STREAM);
    for (let times = 0; times < 5; times += 1) {
      const { revokedAfterMs } = await tokens().live({ validateAt: copies.two });
      expect(revokedAfterMs).toBeLessThanOrEqual(REVOKED_WITHIN_MS);
    }
  });

  test('keys that no slot has in common are read, written and deleted together', async () => {
    const redis = connectRedis(urlOf('sallyport_api'), () => {});
    onTestFinished(() => redis.close());
    await eventually('the cluster', () => redis.isReady());
    const entries = Array.from({ length: 30 }, (_, at) => ({
      key: `sallyport:each:${at}`,
      value: `v${at}`,
      ttlSeconds: 60,
    }));
    const keys = entries.map(({ key }) => key);
    const masters = new Set(await Promise.all(keys.map((key) => cluster.masterOf(key))));
    expect(masters.size).toBe(3);
    await redis.setMany(entries);
    expect(await redis.getMany(keys)).toEqual(entries.map(({ value }) => value));
    expect(await redis.setIfAbsent(keys[0]!, 'other', 60)).toBe(false);
    expect(await redis.getAndDelete(keys[0]!)).toBe('v0');
    await redis.delete(...keys);
    expect(await redis.getMany(keys)).toEqual(keys.map(() => null));
    expect([await redis.increment('sallyport:n', 60), await redis.increment('sallyport:n', 60)]).toEqual([1, 2]);
    await redis.ping();
  });

  test('copies count limits together, whichever master has the count', async () => {
    const options = { redisUrl: urlOf('sallyport_api'), onRedisError: () => {}, clock: systemClock, secret: 'secret' };
    const [here, there] = [createRateCounters(options), createRateCounters(options)];
    onTestFinished(async () => void (await Promise.all([here.close(), there.close()])));
    await eventually('both to share their counts', () => here.isShared() && there.isShared());
    const bucket: RateBucket = { name: 'cluster', limit: 5, windowSeconds: 60, counting: 'shared', sentEvery: 1 };
    for (let at = 0; at < 20; at += 1) {
      await here.countShared(bucket, `key ${at}`);
      expect(await there.countShared(bucket, `key ${at}`)).toMatchObject({ used: 2 });
    }
  });

  test('a killed master is replaced under load: no decision on a token is lost, and jobs run again', async () => {
    const queue = `${QUEUE_PREFIX}:failover:wait`;
    const master = await cluster.masterOf(queue);
    const load = startRedisLoad(tokens(), urlOf('sallyport_worker'));
    await eventually('jobs to run', () => load.ran() > 10);

    await cluster.kill(master);
    const killedAt = performance.now();
    await eventually('a replica to take its place', async () => (await cluster.masterOf(queue)) !== master);
    const replacedAt = performance.now();
    await untilOk(copies.one);
    const seenAt = performance.now();
    const ranBefore = load.ran();
    await eventually('jobs to run again', () => load.ran() > ranBefore + 10);
    const ranAt = performance.now();
    const livesBefore = load.lives();
    await eventually('tokens to live on', () => load.lives() > livesBefore + 5);
    await load.stop();

    const ms = (at: number): number => Math.round(at - killedAt);
    console.log(
      `after the kill: replaced at ${ms(replacedAt)} ms, the API sees Redis at ${ms(seenAt)} ms, jobs run at ${ms(ranAt)} ms; ${load.lives()} tokens`,
    );
    expect(load.errors).toEqual([]);
    expect(seenAt - replacedAt).toBeLessThanOrEqual(NORMAL_WITHIN_MS);
    expect(ranAt - replacedAt).toBeLessThanOrEqual(NORMAL_WITHIN_MS);

    await cluster.revive(master);
    expect(await cluster.masterOf(queue)).not.toBe(master);
    const { revokedAfterMs } = await tokens().live({ validateAt: copies.two });
    expect(revokedAfterMs).toBeLessThanOrEqual(REVOKED_WITHIN_MS);
  });

  test('its queues are listed, and their keys share one slot', async () => {
    const producer = createProducer(urlOf('sallyport_worker'), () => {});
    onTestFinished(() => producer.close());
    await producer.ready(10_000);
    await eventually('the queue to be empty', async () => {
      const counts = await producer.queue('failover').getJobCounts('wait', 'active');
      return counts.wait === 0 && counts.active === 0;
    });
    expect(await createQueueAdmin(producer, ['failover']).deadLetters(10)).toEqual([]);
    const slots = ['wait', 'active', 'meta', 'events'].map((part) =>
      cluster.ask(cluster.ports[1]!, 'CLUSTER', 'KEYSLOT', `${QUEUE_PREFIX}:failover:${part}`),
    );
    expect(new Set(await Promise.all(slots)).size).toBe(1);
  });

  test('doctor asks every master', async () => {
    expect(await readRedisFacts(urlOf('sallyport_api'))).toMatchObject({
      masters: 3,
      evictionPolicy: 'noeviction',
      isAppendOnly: false,
    });
    const evicting = await cluster.masterOf('any');
    await cluster.ask(evicting, 'CONFIG', 'SET', 'maxmemory-policy', 'allkeys-lru');
    expect(await readRedisFacts(urlOf('sallyport_api'))).toMatchObject({ evictionPolicy: 'allkeys-lru' });
    await cluster.ask(evicting, 'CONFIG', 'SET', 'maxmemory-policy', 'noeviction');
  });
});

describe('a URL of the other kind is refused', () => {
  const troubleAt = async (url: string) =>
    troubleOf(
      'Redis',
      url,
      await probeRedis(url).then(
        () => expect.unreachable('it was accepted'),
        (err: unknown) => err,
      ),
    );

  test('a node of a cluster as one server: a process names it and does not start', async () => {
    const url = urlOf('sallyport_api').replace('?cluster=true', '');
    expect(await troubleAt(url)).toEqual({
      sentence: `Redis at ${cluster.nodes[0]} is a node of a Redis Cluster`,
      fix: 'add ?cluster=true to REDIS_URL, or name other nodes there',
      mayPass: false,
      isOtherKind: true,
    });
    const child = await start('worker', { REDIS_URL: url });
    expect(await child.exitCode()).not.toBe(0);
    expect(child.said()).toContain('is a node of a Redis Cluster');
  });

  test('one server as a cluster', async () => {
    const { host, username, password } = new URL(inject('redisUrl'));
    const url = `redis://${username}:${password}@${host}/?cluster=true`;
    expect(await troubleAt(url)).toEqual({
      sentence: `Redis at cluster ${host} is no Redis Cluster`,
      fix: 'take ?cluster out of REDIS_URL',
      mayPass: false,
      isOtherKind: true,
    });
  });

  test('a cluster that does not answer may be waited for, and a wrong password not', async () => {
    const port = await randomFreePort();
    expect(await troubleAt(`redis://127.0.0.1:${port}/?cluster=true`)).toMatchObject({ mayPass: true });
    const wrong = `redis://sallyport_api:hidden-word@${cluster.nodes[1]}/?cluster=true`;
    expect(await troubleAt(wrong)).toMatchObject({
      sentence: `Redis at cluster ${cluster.nodes[1]} refuses the password (WRONGPASS)`,
      mayPass: false,
    });
  });

  test('commands fail fast while the cluster is away', async () => {
    const redis = connectRedis(`redis://127.0.0.1:${await randomFreePort()}/?cluster=true`, () => {});
    onTestFinished(() => redis.close());
    await sleep(50);
    const askedAt = performance.now();
    await expect(redis.get('sallyport:x')).rejects.toThrow();
    expect(performance.now() - askedAt).toBeLessThan(500);
    expect(redis.isReady()).toBe(false);
  });
});
