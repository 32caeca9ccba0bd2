// About: services/platform/postgres/pool.ts
// A real PgBouncer in transaction mode: the product serves through it, and leaves nothing in the sessions it shares.

import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { randomFreePort } from '#services/platform/local/ports.ts';
import { createPool, createSql } from '#services/platform/postgres/pool.ts';
import { eventually } from '#tools/testing/eventually.ts';
import { clientToken, issueFor, refresh, revoke, signIn, signUp, verdictOn } from '#tools/testing/flows/flows.ts';
import { asPromised } from '#tools/testing/harness/busy-machine.ts';
import { queryRows, rawSql } from '#tools/testing/harness/ports.ts';
import { type Product, startProduct } from '#tools/testing/harness/product.ts';
import { createTestDatabase, testRedisUrl } from '#tools/testing/harness/stores.ts';
import { send } from '#tools/testing/http-client.ts';
import { opened } from '#tools/testing/opened.ts';
import { startContainerRole } from '#tools/testing/processes/container-role.ts';
import { startPgBouncer } from '#tools/testing/processes/pgbouncer.ts';
import { runCli } from '#tools/testing/processes/run-cli.ts';

asPromised();

// The product starts, and PgBouncer may be fetched once.
const REVOKED_MS = 1_000;
/** The same on a busy machine. */
const REVOKED_BUSY_MS = 6_000;
/** A copy that has just lost connections may first ask what it has missed. */
const UNAVAILABLE = /^(store_unavailable|revocation_state_stale)$/;
const RACERS = 12;
const POOL_SIZE = 4;

let product: Product;
let second: Product;

const database = opened(createTestDatabase);
const pooler = opened(() => startPgBouncer(database.url, { poolSize: POOL_SIZE }));
beforeAll(async () => {
  const stores = { databaseUrl: pooler.url, redisUrl: testRedisUrl() };
  const env = { DATABASE_DIRECT_URL: database.url, REFRESH_GRACE_SECONDS: '60' };
  product = await startProduct({ stores, env });
  second = await startProduct({
    ...{ stores, dataDir: product.dataDir },
    env: { ...env, BETTER_AUTH_URL: product.api, WORKER_COPIES: '0' },
  });
});
afterAll(async () => {
  await second?.dispose();
  await product?.dispose();
});

const rows = rawSql((text, values) => queryRows(database.url)(text, values));

test('a process that is led to the pooler alone does not start, and names the fix', async () => {
  const api = startContainerRole('api', {
    SALLYPORT_DATA_DIR: product.dataDir,
    BETTER_AUTH_SECRET: Buffer.alloc(32, 7).toString('base64'),
    PORT: String(await randomFreePort()),
    METRICS_PORT: String(await randomFreePort()),
    DATABASE_URL: pooler.url,
    REDIS_URL: product.credentials.redis_url,
  });
  onTestFinished(() => void api.child.kill('SIGKILL'));
  expect(await api.exitCode(), api.said()).not.toBe(0);
  expect(api.said()).toMatch(
    /is a connection pooler in transaction mode.*\n {2}fix: set DATABASE_DIRECT_URL to the URL of PostgreSQL itself/,
  );
});

test('doctor names the pooler, and warns where there is none', async () => {
  const checked = async (databaseUrl: string) => {
    const env = { DATABASE_URL: databaseUrl, DATABASE_DIRECT_URL: database.url, SALLYPORT_DATA_DIR: product.dataDir };
    const { out } = await runCli(['doctor', '--json'], env);
    return JSON.parse(out).checks.find(({ name }: { readonly name: string }) => name === 'pooler');
  };
  expect(await checked(pooler.url)).toMatchObject({ result: 'pass' });
  expect(await checked(database.url)).toMatchObject({ result: 'warn' });
  const elsewhere = new URL(pooler.url);
  elsewhere.pathname = '/postgres';
  expect(await checked(elsewhere.href)).toMatchObject({
    result: 'fail',
    fix: 'let DATABASE_URL and DATABASE_DIRECT_URL lead to one database',
  });
});

describe('through PgBouncer in transaction mode', () => {
  test('sign-in, tokens and validation work, and a race of refreshes has one successor', async () => {
    const user = await signUp(product);
    expect((await signIn(product, user)).id).toBe(user.id);
    const { access_token, refresh_token } = await issueFor(product, user.id);
    expect(await verdictOn(product, access_token)).toBe('active');
    expect(await verdictOn(product, await clientToken(product))).toBe('active');
    const copies = Array.from({ length: RACERS }, (_, nth) => (nth % 2 === 0 ? product : second));
    const answers = await Promise.all(copies.map((copy) => refresh(copy, refresh_token)));
    expect(answers.map(({ status }) => status)).toEqual(answers.map(() => 200));
    expect(new Set(answers.map(({ body }) => body.refresh_token)).size).toBe(1);
  });

  test('every copy refuses a revoked token within a second', async () => {
    const token = await clientToken(product);
    expect(await verdictOn(product, token)).toBe('active');
    await revoke(product, { token });
    const startedAt = performance.now();
    await eventually(
      'both copies to refuse',
      async () => {
        const verdicts = await Promise.all([product, second].map((copy) => verdictOn(copy, token)));
        return verdicts.every((verdict) => verdict === 'revoked');
      },
      REVOKED_BUSY_MS,
    );
    console.log(`refused after ${Math.round(performance.now() - startedAt)} ms (promised: ${REVOKED_MS} ms)`);
  });

  test('jobs run, and events are sealed', async () => {
    const { email } = await signUp(product);
    const [user] = await rows<{ id: string }>(`SELECT id FROM users WHERE email = '${email}'`);
    await eventually('its events to be sealed', async () => {
      const [found] = await rows<{ n: number }>(
        `SELECT count(*)::int AS n FROM audit_events WHERE type = 'user.created' AND target_id = '${user?.id}'`,
      );
      return found?.n === 1;
    });
    expect(await (await fetch(product.metrics)).text()).toMatch(
      /sallyport_jobs_total\{.*job="seal-audit-events",outcome="completed"\} [1-9]/,
    );
  });

  test('the pools of ordinary statements share the few sessions of the pooler', async () => {
    const copies = Array.from({ length: 30 }, (_, nth) => (nth % 2 === 0 ? product : second));
    await Promise.all(copies.map(({ api }) => send(api, 'GET', '/api/auth/session')));
    const [found] = await rows<{ n: number }>`
      SELECT count(*)::int AS n FROM pg_stat_activity WHERE datname = current_database()
      AND application_name IN ('sallyport-main', 'sallyport-identity')`;
    expect(found?.n).toBeLessThanOrEqual(POOL_SIZE);
  });

  test('nothing of a transaction is left in a session', async () => expect(await pooler.residue()).toEqual([]));

  test.each([
    ['a setting without LOCAL', `SET lock_timeout = '7s'`, ['setting lock_timeout']],
    ['a role without LOCAL', 'SET ROLE sallyport_api', ['role sallyport_api']],
    ['a lock of the session', 'SELECT pg_advisory_lock(7)', ['advisory lock']],
    ['a channel', 'LISTEN news', ['channel news']],
    ['a temporary table', 'CREATE TEMP TABLE kept (n int)', ['table kept']],
  ])('%s would be found', async (_what, text, expected) => {
    const planted = await startPgBouncer(database.url, { poolSize: 1 });
    onTestFinished(planted.dispose);
    const pool = createPool({
      url: planted.url,
      isPooled: true,
      connections: 1,
      applicationName: 'planted',
      statementTimeoutMs: 5_000,
      lockTimeoutMs: 5_000,
    });
    onTestFinished(() => pool.end());
    await createSql(pool).query({ name: 'planted', text, writes: false });
    expect(await planted.residue()).toEqual(expected);
  });

  test('while the pooler is away, validation and refreshing go on; sign-ins work again once it is back', async () => {
    const user = await signUp(product);
    const { access_token, refresh_token } = user.tokens;
    await pooler.kill();
    const refused = await send(product.api, 'POST', '/api/auth/signin', {
      json: { email: user.email, password: user.password },
    });
    expect([refused.status, refused.body.code]).toEqual([503, expect.stringMatching(UNAVAILABLE)]);
    // Longer than revocations may be old.
    await sleep(2_500);
    expect(await verdictOn(product, access_token)).toBe('active');
    const refreshed = await refresh(product, refresh_token);
    expect(refreshed.status, refreshed.text).toBe(200);
    await pooler.start();
    await signIn(product, user);
    expect((await fetch(`${product.api}/readyz`)).status).toBe(200);
  });
});
