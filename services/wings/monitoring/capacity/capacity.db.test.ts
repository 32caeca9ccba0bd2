import { expect, test } from 'vitest';
import { openTestPorts } from '#tools/testing/harness/stores.ts';
import { opened } from '#tools/testing/opened.ts';
import { readSizes } from './capacity.store.ts';
import { readCapacity } from './read-capacity.ts';

const ports = opened(openTestPorts);
test('the forecast reads whole days, and says what is missing while there are fewer than seven', async () => {
  const capacity = await readCapacity(ports);
  expect(capacity).toMatchObject({ sampled_hour: null, days_needed: 7, advice: [], rules_checked: 0 });
  expect(new Set(capacity.predictions.map(({ state }) => state))).toEqual(new Set(['too_little_data']));
  // Two hours of each of the ten days before today, the second one the higher, and an hour of today.
  await ports.raw`INSERT INTO copy_samples (id, copy_id, kind, seconds, at, sample)
    SELECT gen_random_uuid(), gen_random_uuid(), 'api', 3600,
      date_trunc('day', now(), 'UTC') - make_interval(days => day) + make_interval(hours => hour),
      jsonb_build_object('counters', jsonb_build_object('pool_timeouts.main', 1), 'histograms', '{}'::jsonb, 'gauges',
        '{}'::jsonb,
        'measured', jsonb_build_object('pool_connections', jsonb_build_object('value', (11 - day) - 0.5 * (1 - hour),
          'limit', CASE WHEN day = 1 AND hour = 1 THEN 20 ELSE 15 END)))
    FROM generate_series(0, 10) day, generate_series(0, 1) hour WHERE day > 0 OR hour = 0`;
  // Sign-ins of two hours of yesterday; the busier one counts, and no sign-in on a day with a copy is 0.
  await ports.raw`INSERT INTO event_hours (hour, type, outcome, events, active)
    SELECT date_trunc('day', now(), 'UTC') - make_interval(hours => hour), 'user.login', outcome, 4 + hour, 0
    FROM generate_series(1, 2) hour, unnest(ARRAY['ok', 'refused']) outcome`;
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
  expect(predictions.find(({ series }) => series === 'sign_ins_per_hour')).toMatchObject({ days: 10, latest: 12 });
  expect(hour).toMatch(/:00:00\.000Z$/);
  expect(checked).toBeGreaterThan(5);
  expect(advice).toMatchObject([{ rule: 'statements_given_up', setting: 'DATABASE_POOL' }]);
});

test('the sizes of the installation are those of its database', async () => {
  const sizes = await readSizes(ports.sql);
  expect(sizes).toMatchObject({ users: expect.any(Number), sealedEvents: 0 });
  expect(sizes.database_bytes).toBeGreaterThan(1_000_000);
});
