// About: services/platform/redis/
// Real servers: a primary, a replica and three Sentinels of Redis, and the product as processes that find them by Sentinel.
import { type ChildProcess, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Redis } from 'ioredis';
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest';
import { randomFreePort } from '#services/platform/local/ports.ts';
import { ensureRedisBinary } from '#services/platform/local/redis-binary.ts';
import { probeRedis } from '#services/platform/process/probe-store.ts';
import { troubleOf } from '#services/platform/process/store-trouble.ts';
import { eventually } from '#tools/testing/eventually.ts';
import { onServer } from '#tools/testing/harness/stores.ts';
import { type RoleProcess, startContainerRole } from '#tools/testing/processes/container-role.ts';
import type { Credentials } from '../stack/smoke.ts';
import { createTokenLives, startRedisLoad } from './redis-load-harness.ts';

// Processes start one after another: more than the usual time limit allows on a busy machine.
const NAME = 'main';
const WORD = 'store-word';
/** What the product may take to use a primary that the Sentinels have named; they take a second to miss the old one. */
const NORMAL_WITHIN_MS = 3_000;
/** The most that a copy may take to learn of a revocation (`REVOCATION_STALENESS_MS`). */
const REVOKED_WITHIN_MS = 2_000;
const database = `failover_${randomBytes(5).toString('hex')}`;

let folder: string;
let binary: string;
let ports: { primary: number; replica: number };
let sentinels: number[];
let api: string;
let credentials: Credentials;
const stores: ChildProcess[] = [];
const processes: RoleProcess[] = [];

const urlOf = (words = sentinels.map((port) => `127.0.0.1:${port}`).join(',')): string =>
  `redis://:${WORD}@${NAME}/0?sentinels=${words}`;

function startServer(port: number, ...words: string[]): ChildProcess {
  const own = ['--port', String(port), '--bind', '127.0.0.1', '--save', '', '--dir', folder];
  const child = spawn(binary, [...own, '--requirepass', WORD, '--masterauth', WORD, ...words], { stdio: 'ignore' });
  stores.push(child);
  return child;
}

function startSentinel(port: number): void {
  const path = join(folder, `sentinel-${port}.conf`);
  const settings = [
    `port ${port}`,
    'bind 127.0.0.1',
    `dir ${folder}`,
    `sentinel monitor ${NAME} 127.0.0.1 ${ports.primary} 2`,
    `sentinel auth-pass ${NAME} ${WORD}`,
    `sentinel down-after-milliseconds ${NAME} 1000`,
    `sentinel failover-timeout ${NAME} 5000`,
  ];
  writeFileSync(path, `${settings.join('\n')}\n`);
  stores.push(spawn(binary, [path, '--sentinel'], { stdio: 'ignore' }));
}

/** Sentinels agree on a failover only once they know each other and the replica. */
async function untilSentinelsAgree(): Promise<void> {
  for (const port of sentinels) {
    const client = new Redis(port, '127.0.0.1');
    client.on('error', () => {});
    await eventually(`the Sentinel at ${port} to know the others`, async () => {
      const flat = (await client.call('SENTINEL', 'MASTER', NAME).catch(() => [])) as string[];
      const fieldOf = (name: string): string | undefined => flat[flat.indexOf(name) + 1];
      return (fieldOf('num-slaves') === '1' && fieldOf('num-other-sentinels') === '2') || undefined;
    });
    client.disconnect();
  }
}

async function start(role: string, env: Readonly<Record<string, string>> = {}): Promise<RoleProcess> {
  const url = new URL(inject('templateUrl'));
  url.pathname = `/${database}`;
  const child = startContainerRole(role, {
    SALLYPORT_DATA_DIR: join(folder, 'data'),
    BETTER_AUTH_SECRET: Buffer.alloc(32, 7).toString('base64'),
    BETTER_AUTH_URL: api,
    RATE_LIMIT_PROFILE: 'load',
    HOST: '127.0.0.1',
    DATABASE_URL: url.href,
    REDIS_URL: urlOf(),
    ...env,
  });
  processes.push(child);
  return child;
}

const tokens = () => createTokenLives(api, credentials, REVOKED_WITHIN_MS);

/** Resolves when a Sentinel names another primary than the first. */
async function untilReplaced(): Promise<number> {
  const client = new Redis(sentinels[0] as number, '127.0.0.1');
  client.on('error', () => {});
  await eventually('the Sentinels to name another primary', async () => {
    const place = (await client.call('SENTINEL', 'GET-MASTER-ADDR-BY-NAME', NAME).catch(() => [])) as string[];
    return place[1] === String(ports.replica) || undefined;
  });
  client.disconnect();
  return performance.now();
}

/** State of Redis as the API shows it. */
const shownRedis = async (): Promise<string | undefined> => {
  const { components } = (await (await fetch(`${api}/readyz`)).json()) as { components?: Record<string, string> };
  return components?.redis;
};

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'sallyport-failover-'));
  binary = await ensureRedisBinary(() => {});
  const free = await Promise.all(Array.from({ length: 7 }, () => randomFreePort()));
  const [primary, replica, one, two, three, port, apiMetrics] = free as [
    number,
    number,
    number,
    number,
    number,
    number,
    number,
  ];
  ports = { primary, replica };
  sentinels = [one, two, three];
  api = `http://127.0.0.1:${port}`;
  startServer(primary);
  startServer(replica, '--replicaof', '127.0.0.1', String(primary));
  for (const each of sentinels) startSentinel(each);
  await untilSentinelsAgree();
  await onServer((admin) => admin.query(`CREATE DATABASE ${database}`));
  const migrated = await start('migrate');
  expect(await migrated.exitCode(), migrated.said()).toBe(0);
  credentials = JSON.parse(readFileSync(join(folder, 'data/dev-credentials.json'), 'utf8'));
  await start('api', { PORT: String(port), METRICS_PORT: String(apiMetrics) });
  await eventually(
    'the API to be ready, with Redis',
    async () => (await shownRedis().catch(() => undefined)) === 'ok' || undefined,
  ).catch((err) => expect.fail(`${(err as Error).message}\n${processes.map((each) => each.said()).join('\n')}`));
});
afterAll(async () => {
  for (const { child } of processes) child.kill('SIGKILL');
  for (const child of stores) child.kill('SIGKILL');
  await onServer((admin) => admin.query(`DROP DATABASE IF EXISTS ${database} WITH (FORCE)`));
  rmSync(folder, { recursive: true, force: true });
});

describe('the product finds Redis by Sentinel', () => {
  test('a killed primary is replaced under load: no decision on a token is lost, and jobs run again', async () => {
    const load = startRedisLoad(tokens(), urlOf());
    await eventually('jobs to run', async () => load.ran() > 10 || undefined);

    stores[0]?.kill('SIGKILL');
    const killedAt = performance.now();
    const replacedAt = await untilReplaced();
    await eventually('the API to see the new primary', async () => (await shownRedis()) === 'ok' || undefined);
    const seenAt = performance.now();
    const count = load.ran();
    await eventually('jobs to run again', async () => load.ran() > count + 10 || undefined);
    const ranAt = performance.now();
    const livesSoFar = load.lives();
    await eventually('tokens to live on', async () => load.lives() > livesSoFar + 5 || undefined);
    await load.stop();

    const ms = (at: number): number => Math.round(at - killedAt);
    console.log(
      `after the kill: Sentinels agree at ${ms(replacedAt)} ms, the API sees Redis at ${ms(seenAt)} ms, jobs run at ${ms(ranAt)} ms; ${load.lives()} tokens`,
    );
    expect(load.errors).toEqual([]);
    expect(seenAt - replacedAt).toBeLessThanOrEqual(NORMAL_WITHIN_MS);
    expect(ranAt - replacedAt).toBeLessThanOrEqual(NORMAL_WITHIN_MS);
  });

  test('the old primary returns as a replica, and the product stays with the new one', async () => {
    startServer(ports.primary);
    const client = new Redis(ports.primary, '127.0.0.1', { password: WORD });
    client.on('error', () => {});
    await eventually(
      'the old primary to follow',
      async () => /role:slave/.test(await client.info('replication').catch(() => '')) || undefined,
    );
    client.disconnect();
    expect(await shownRedis()).toBe('ok');
    await tokens().live();
  });

  test('Sentinels that do not answer are named', async () => {
    const url = urlOf(`127.0.0.1:${await randomFreePort()}`);
    const err = await probeRedis(url).then(
      () => expect.unreachable('it answered'),
      (why: unknown) => why,
    );
    expect(troubleOf('Redis', url, err)).toMatchObject({
      sentence: expect.stringMatching(
        /^Redis at main of Sentinel 127\.0\.0\.1:\d+ does not answer: no Sentinel answers/,
      ),
      mayPass: true,
    });
  });
});
