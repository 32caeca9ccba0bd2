import { randomUUID } from 'node:crypto';
import { beforeAll, describe, expect, test } from 'vitest';
import { countEventHoursJob } from '#jobs/contracts/monitoring.ts';
import { type CollectedMetric, createRegistry } from '#observability/metrics/instruments.ts';
import { credentialStuffing } from '#services/core/security/detections.ts';
import { raiseIncident } from '#services/core/security/raise-incident.ts';
import { readTokenStatistics } from '#services/core/tokens/metadata/read-token-statistics.ts';
import { testCaller } from '#tools/testing/harness/ports.ts';
import { openTestPorts } from '#tools/testing/harness/stores.ts';
import { opened } from '#tools/testing/opened.ts';
import { countEventHours } from './count-event-hours.ts';
import { createSealedEvents } from './monitoring-harness.ts';
import { readDashboard } from './read-dashboard.ts';
import { createCopySampler } from './sample-copy.ts';

const ports = opened(() => openTestPorts());
let sealed: ReturnType<typeof createSealedEvents>;
beforeAll(async () => {
  sealed = createSealedEvents(ports);
});

const signal = new AbortController().signal;
const count = () => countEventHours(ports, { signal });
test('an installation that measured nothing yet says so', async () => {
  const dashboard = await readDashboard(ports);
  expect(dashboard.security).toMatchObject({
    state: 'missing',
    as_of: null,
    delay_seconds: null,
    locked_accounts: null,
    sign_ins: { succeeded: 0, failed: 0, success_percent: null },
  });
  expect(dashboard.security.hours).toHaveLength(24);
  expect(dashboard.performance).toMatchObject({
    state: 'missing',
    token_generation: { count: 0, average_ms: null, p95_ms: null, p99_ms: null },
  });
  expect(dashboard.resources).toEqual({ state: 'missing', as_of: null, copies: [], queues: [] });
});

describe('the figures of security', () => {
  test('equal the scripted events, each counted once, however many workers count', async () => {
    await sealed('user.login', 'ok');
    // The first run begins at the end of the log.
    await count();
    expect((await readDashboard(ports)).security).toMatchObject({ state: 'fresh', sign_ins: { succeeded: 0 } });
    await sealed('user.login', 'ok', 3);
    await sealed('user.login', 'refused');
    await sealed('user.login', 'second_factor_asked', 2);
    await sealed('user.created', 'ok', 2);
    await sealed('session.ended', 'ok');
    await sealed('token.revoked', 'ok', 2);
    await sealed('token.revoked', 'refused');
    await sealed('user.tokens_revoked', 'ok');
    await sealed('access.denied', 'refused', 2);
    await sealed('incident.raised', 'open');
    await sealed('user.login', 'locked', 4, '3 hours');
    await sealed('user.login', 'ok', 9, '30 hours');
    await Promise.all([count(), count()]);
    await count();
    const { security, performance } = await readDashboard(ports);
    expect(security.sign_ins).toEqual({ succeeded: 3, failed: 5, success_percent: 37.5 });
    const all = security.hours.reduce<Record<string, number>>((sums, { hour: _hour, ...figures }) => {
      for (const [name, value] of Object.entries(figures)) sums[name] = (sums[name] ?? 0) + value;
      return sums;
    }, {});
    expect(all).toEqual({
      sign_ins_succeeded: 3,
      sign_ins_failed: 5,
      sign_ups: 2,
      sessions_ended: 1,
      revocations: 3,
      incidents_raised: 1,
      denials: 2,
    });
    expect(security.hours.filter((hour) => hour.sign_ins_failed === 4)).toHaveLength(1);
    expect(performance.sign_ins).toEqual({ succeeded: 3, failed: 1, success_percent: 75 });
  });

  test('have the incidents that are open, and the accounts that are locked', async () => {
    const sighting = { target: { kind: 'network', id: 'network:a' } } as const;
    await raiseIncident(ports.sql, ports, testCaller, credentialStuffing, sighting);
    await raiseIncident(ports.sql, ports, testCaller, credentialStuffing, sighting);
    await ports.raw`INSERT INTO users (id, email) VALUES ('u1', 'a@example.org')`;
    const counter = (key: string, userId: string | null, until: string, failures: number) =>
      ports.raw`INSERT INTO login_failures (key, failures, user_id, locked_until)
        VALUES (${key}, ${failures}, ${userId}, clock_timestamp() + ${until}::interval)`;
    await counter('account:locked', 'u1', '5 minutes', 5);
    await counter('account:spent', 'u1', '-5 minutes', 100);
    await counter('account:over', 'u1', '-5 minutes', 99);
    await counter('account:unknown', null, '5 minutes', 5);
    await counter('device:locked', 'u1', '5 minutes', 5);
    await count();
    expect((await readDashboard(ports)).security).toMatchObject({
      open_incidents: { low: 0, medium: 0, high: 1, critical: 0 },
      locked_accounts: 2,
    });
  });

  test('of tokens are the statistics, counted again when they are half a minute old', async () => {
    const tokens = async () => (await readDashboard(ports)).tokens;
    const issue = () => ports.raw`UPDATE token_totals SET issued = issued + 1`;
    await ports.raw`UPDATE monitoring_state SET tokens = NULL, tokens_at = NULL`;
    expect(await tokens()).toMatchObject({ state: 'missing', as_of: null, issued: 0, replays: 0 });
    await issue();
    await count();
    const first = await readTokenStatistics(ports);
    expect(first.issued).toBeGreaterThan(0);
    expect(await tokens()).toMatchObject({ state: 'fresh', ...first });
    await issue();
    await count();
    expect(await tokens()).toMatchObject(first);
    await ports.raw`UPDATE monitoring_state SET tokens_at = tokens_at - interval '26 seconds'`;
    await count();
    expect(await tokens()).toMatchObject({ state: 'fresh', ...(await readTokenStatistics(ports)) });
    expect((await tokens()).issued).toBeGreaterThan(first.issued);
    await ports.raw`UPDATE monitoring_state SET tokens_at = tokens_at - interval '51 seconds'`;
    expect((await tokens()).state).toBe('stale');
  });

  test('are stale when nothing was counted for a while', async () => {
    await ports.raw`UPDATE monitoring_state SET counted_at = counted_at - interval '51 seconds'`;
    expect((await readDashboard(ports)).security.state).toBe('stale');
    await count();
    expect((await readDashboard(ports)).security.state).toBe('fresh');
  });

  test('are fresh while the job is asked and has nothing to count, but not tokens that the last count left out', async () => {
    const states = async () => {
      const { security, tokens } = await readDashboard(ports);
      return [security.state, tokens.state];
    };
    await ports.raw`UPDATE monitoring_state
      SET counted_at = now() - interval '1 hour', tokens_at = now() - interval '1 hour'`;
    expect(await states()).toEqual(['stale', 'stale']);
    await ports.raw(
      `INSERT INTO job_schedules (job, queue, every_seconds, next_run_at, last_succeeded_at)
       VALUES ('${countEventHoursJob.name}', 'monitoring', 10, now(), now() - interval '20 seconds')`,
    );
    expect(await states()).toEqual(['fresh', 'fresh']);
    await ports.raw`UPDATE monitoring_state SET tokens_at = tokens_at - interval '1 second'`;
    expect(await states()).toEqual(['fresh', 'stale']);
    await ports.raw`UPDATE job_schedules SET last_succeeded_at = now() - interval '51 seconds'`;
    expect(await states()).toEqual(['stale', 'stale']);
    await ports.raw`DELETE FROM job_schedules`;
    await count();
  });
});

describe('the figures of performance and resources', () => {
  const registry = createRegistry();
  const issue = registry.defineHistogram({
    name: 'sallyport_token_issue_duration_seconds',
    help: 'x',
    labels: { grant: ['api'] },
    buckets: [0.01, 0.02, 0.1],
  });
  const cpu = registry.defineCounter({ name: 'process_cpu_time_seconds', help: 'x' });
  const memory = registry.defineGauge({ name: 'process_memory_usage_bytes', help: 'x' });
  const pool = registry.defineGauge({
    name: 'sallyport_postgres_pool_connections',
    help: 'x',
    labels: { pool: ['main'], state: ['used', 'idle', 'waiting'] },
  });
  const queue = registry.defineGauge({
    name: 'sallyport_queue_jobs',
    help: 'x',
    labels: { queue: ['mail'], state: ['waiting', 'active', 'delayed', 'dead'] },
  });
  const config = { stores: { poolConnections: 10 }, capacity: { databaseGb: 0 } };
  let monotonicMs = 0;
  let nowMs = Date.now();
  const sampler = (kind: 'api' | 'worker', collect: () => readonly CollectedMetric[]) =>
    createCopySampler(
      { ...ports, clock: { now: () => nowMs, monotonic: () => monotonicMs } },
      { kind, config, collect },
    );

  test('are those of all copies: durations of both, each its own use', async () => {
    const first = sampler('api', () => registry.collect());
    const second = sampler('api', () => registry.collect());
    for (let nth = 0; nth < 9; nth += 1) issue.record(0.005, { grant: 'api' });
    issue.record(0.02, { grant: 'api' });
    cpu.add(5);
    memory.set(1_000);
    for (const [state, value] of [
      ['used', 2],
      ['idle', 8],
      ['waiting', 1],
    ] as const)
      pool.set(value, { pool: 'main', state });
    queue.set(7, { queue: 'mail', state: 'waiting' });
    monotonicMs += 10_000;
    await first.write();
    await second.write();
    cpu.add(5);
    monotonicMs += 10_000;
    await second.write();
    const { performance, resources } = await readDashboard(ports);
    expect(performance).toMatchObject({
      state: 'fresh',
      token_generation: { count: 20, average_ms: 6.5, p95_ms: 15, p99_ms: 19 },
      token_validation: { count: 0, p99_ms: null },
    });
    expect(resources.state).toBe('fresh');
    expect(resources.copies.map(({ cpu_cores: cores }) => cores)).toEqual([0.5, 0.5]);
    expect(resources.copies[0]).toMatchObject({
      kind: 'api',
      state: 'fresh',
      memory_bytes: 1_000,
      hash_queue: null,
      event_loop_p99_ms: null,
      pools: [{ pool: 'main', used: 2, idle: 8, waiting: 1, wait: { count: 0 }, timeouts: 0 }],
    });
    expect(resources.queues).toEqual([
      { queue: 'mail', waiting: 7, active: 0, delayed: 0, dead: 0, oldest_seconds: 0 },
    ]);
  });

  test('lose nothing when a write fails: the next one has it', async () => {
    await ports.raw`DELETE FROM copy_samples`;
    let fails = true;
    const flaky = createCopySampler(
      {
        ...ports,
        sql: { query: (...given) => (fails ? Promise.reject(new Error('away')) : ports.sql.query(...given)) },
      },
      { kind: 'worker', config, collect: () => registry.collect() },
    );
    await flaky.write();
    expect(await ports.raw`SELECT 1 FROM copy_samples`).toEqual([]);
    fails = false;
    await flaky.close();
    expect(await ports.raw`SELECT kind, sample -> 'counters' AS counters FROM copy_samples`).toEqual([
      { kind: 'worker', counters: { cpu_seconds: 10 } },
    ]);
    // Only an API copy issues tokens: without one the part is missing.
    expect((await readDashboard(ports)).performance.state).toBe('missing');
  });

  test('of an hour are one row of a copy, and the next hour goes on where the last write was', async () => {
    await ports.raw`DELETE FROM copy_samples`;
    const copy = sampler('worker', () => registry.collect());
    const written = async (added: number) => {
      cpu.add(added);
      monotonicMs += 10_000;
      await copy.write();
      return ports.raw`
        SELECT seconds, sample -> 'counters' -> 'cpu_seconds' AS cpu, sample -> 'measured' -> 'pool_connections' AS pool
        FROM copy_samples ORDER BY at`;
    };
    const [{ cpu: before = 0 } = {}] = await written(1);
    pool.set(9, { pool: 'main', state: 'used' });
    await written(2);
    pool.set(2, { pool: 'main', state: 'used' });
    const first = { seconds: 30, cpu: Number(before) + 5, pool: { value: 10, limit: 10 } };
    expect(await written(3)).toEqual([first]);
    nowMs += 3_600_000;
    expect(await written(4)).toEqual([first, { seconds: 10, cpu: 4, pool: { value: 3, limit: 10 } }]);
  });

  test('are stale when a copy stopped, and gone after a quarter of an hour', async () => {
    await ports.raw`DELETE FROM copy_samples`;
    await sampler('api', () => registry.collect()).write();
    await ports.raw`UPDATE copy_samples SET at = at - interval '51 seconds'`;
    const { performance, resources } = await readDashboard(ports);
    expect([performance.state, resources.state, resources.copies[0]?.state]).toEqual(['stale', 'stale', 'stale']);
    await ports.raw`UPDATE copy_samples SET at = at - interval '15 minutes'`;
    expect((await readDashboard(ports)).resources).toMatchObject({ state: 'missing', copies: [] });
  });

  test('say how far the log is behind, as the workers do', async () => {
    await ports.raw(
      `INSERT INTO copy_samples (id, copy_id, kind, seconds, sample) VALUES ($1, $1, 'worker', 15,
         '{"counters":{},"histograms":{},"gauges":{"unsealed_age_seconds":3.5,"queue.mail.dead":1,"queue_age_seconds.mail":4}}')`,
      [randomUUID()],
    );
    const { security, resources } = await readDashboard(ports);
    expect(security.delay_seconds).toBe(3.5);
    expect(resources.queues).toMatchObject([{ queue: 'mail', dead: 1, oldest_seconds: 4 }]);
  });
});
