import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { type OwnPorts, openTestPorts } from '#tools/testing/harness/stores.ts';
import { readCapacity } from './read-capacity.ts';
import { sampleCapacity } from './sample-capacity.ts';

let ports: OwnPorts;
beforeAll(async () => {
  ports = await openTestPorts();
});
afterAll(() => ports?.end());
beforeEach(async () => {
  for (const table of ['copy_samples', 'capacity_samples', 'event_hours']) await ports.raw(`DELETE FROM ${table}`);
});

const settings = { poolConnections: 10, databaseGb: 20 };
const { signal } = new AbortController();
const sample = () => sampleCapacity(ports, { signal, ...settings });
/** A sample in the middle of the hour that ended so many hours ago (0: the current one). */
const written = (hoursAgo: number, kind: 'api' | 'worker', body: object) =>
  ports.raw(
    `INSERT INTO copy_samples (id, copy_id, kind, at, seconds, sample)
     VALUES ($1, $1, $2, date_trunc('hour', now()) - make_interval(hours => $3) + interval '30 minutes', 15, $4)`,
    [randomUUID(), kind, hoursAgo, JSON.stringify({ counters: {}, histograms: {}, gauges: {}, ...body })],
  );
const kept = () =>
  ports.raw(
    `SELECT extract(epoch FROM date_trunc('hour', now()) - hour)::int / 3600 AS ago, measured, sums FROM capacity_samples ORDER BY hour`,
  );

test('each hour that is over is kept once, with its highest values and their limits', async () => {
  const gauges = {
    event_loop_utilization: 0.2,
    'heap_bytes.used': 30,
    'heap_bytes.limit': 100,
    'pool.main.used': 4,
    'pool.main.waiting': 1,
    revocations: 7,
    revocations_max: 1_000,
  };
  await written(0, 'api', { gauges });
  await written(1, 'api', { gauges, counters: { 'validations.active': 3 } });
  await written(1, 'api', { gauges: { ...gauges, event_loop_utilization: 0.6, 'pool.main.used': 1 } });
  await written(1, 'worker', {
    gauges: {
      event_loop_utilization: 0.9,
      'queue_age_seconds.mail': 5,
      'heap_bytes.used': 80,
      'heap_bytes.limit': 100,
    },
    counters: { 'validations.active': 4 },
  });
  await written(3, 'worker', { gauges: { 'queue_age_seconds.mail': 2 } });
  await ports.raw(
    `INSERT INTO event_hours (hour, type, outcome, events, active)
     SELECT date_trunc('hour', now()) - interval '1 hour', 'user.login', outcome, 6, 0 FROM unnest(ARRAY['ok', 'refused']) outcome`,
  );
  await Promise.all([sample(), sample()]);
  await sample();
  const [older, newest, ...others] = await kept();
  expect(others).toEqual([]);
  // Sizes are those of now, so an hour that was missed has none.
  expect(older).toMatchObject({
    ago: 3,
    measured: { sign_ins_per_hour: { value: 0 } },
    sums: { queueAges: { mail: 2 } },
  });
  expect(Object.keys(older?.measured as object)).not.toContain('database_bytes');
  expect(newest).toMatchObject({
    ago: 1,
    measured: {
      database_bytes: { limit: 20e9 },
      sealed_events: { value: 0, limit: null },
      sign_ins_per_hour: { value: 12, limit: null },
      event_loop_utilization: { value: 0.6, limit: 0.8 },
      heap_share: { value: 0.8, limit: 0.9 },
      pool_connections: { value: 5, limit: 10 },
      revocations: { value: 7, limit: 1_000 },
    },
    sums: { counters: { 'validations.active': 7 }, queueAges: { mail: 5 } },
  });
  const { measured } = newest as { measured: { database_bytes: { value: number } } };
  expect(measured.database_bytes.value).toBeGreaterThan(1_000_000);
});

test('a stopped run keeps nothing, and the next goes on', async () => {
  await written(1, 'api', {});
  const stopped = new AbortController();
  stopped.abort();
  await sampleCapacity(ports, { signal: stopped.signal, poolConnections: 10, databaseGb: 0 });
  expect(await kept()).toEqual([]);
  await sampleCapacity(ports, { signal, poolConnections: 10, databaseGb: 0 });
  expect(await kept()).toMatchObject([{ measured: { database_bytes: { limit: null } } }]);
});

test('the forecast reads whole days, and says what is missing while there are fewer than seven', async () => {
  const capacity = await readCapacity(ports);
  expect(capacity).toMatchObject({ sampled_hour: null, days_needed: 7, advice: [], rules_checked: 0 });
  expect(new Set(capacity.predictions.map(({ state }) => state))).toEqual(new Set(['too_little_data']));
  // Two hours of each of the ten days before today, the second one the higher, and an hour of today.
  await ports.raw(
    `INSERT INTO capacity_samples (id, hour, measured, sums)
     SELECT gen_random_uuid(), date_trunc('day', now() AT TIME ZONE 'UTC') AT TIME ZONE 'UTC' - make_interval(days => day) + make_interval(hours => hour),
       jsonb_build_object('pool_connections', jsonb_build_object('value', (11 - day) - 0.5 * (1 - hour), 'limit', CASE WHEN day = 1 AND hour = 1 THEN 20 ELSE 15 END)),
       '{"counters": {"pool_timeouts.main": 1}, "histograms": {}, "queueAges": {}}'
     FROM generate_series(0, 10) day, generate_series(0, 1) hour WHERE day > 0 OR hour = 0`,
  );
  const { predictions, advice, rules_checked: checked, sampled_hour: hour } = await readCapacity(ports);
  const today = Date.parse(new Date().toISOString().slice(0, 10));
  const inDays = (days: number) => new Date(today + days * 86_400_000).toISOString().slice(0, 10);
  // 10 yesterday, one more each day: 20 in nine days.
  expect(predictions.find(({ series }) => series === 'pool_connections')).toMatchObject({
    state: 'growing',
    days: 10,
    latest: 10,
    limit: 20,
    growth_per_day: 1,
    reaches_limit: { day: inDays(9), earliest: inDays(9), latest: inDays(9) },
  });
  expect(hour).not.toBeNull();
  expect(checked).toBeGreaterThan(5);
  expect(advice).toMatchObject([{ rule: 'statements_given_up', setting: 'DATABASE_POOL' }]);
});
