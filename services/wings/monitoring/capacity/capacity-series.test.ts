import { expect, test } from 'vitest';
import { higherOf, measuredOf } from './capacity-series.ts';

const config = { stores: { poolConnections: 10 }, capacity: { databaseGb: 20 } };
const gauges = {
  event_loop_utilization: 0.2,
  'heap_bytes.used': 30,
  'heap_bytes.limit': 100,
  'pool.main.used': 4,
  'pool.main.waiting': 1,
  revocations: 7,
  revocations_max: 1_000,
  'queue_age_seconds.mail': 5,
  'queue_age_seconds.logout': 2,
};

test('an API copy measures its own load, with what limits it', () => {
  expect(measuredOf({ kind: 'api', gauges, sizes: undefined, config })).toEqual({
    event_loop_utilization: { value: 0.2, limit: 0.8 },
    heap_share: { value: 0.3, limit: 0.9 },
    pool_connections: { value: 5, limit: 10 },
    revocations: { value: 7, limit: 1_000 },
    oldest_job_seconds: { value: 5, limit: null },
  });
  expect(measuredOf({ kind: 'api', gauges: {}, sizes: undefined, config })).toEqual({
    pool_connections: { value: 0, limit: 10 },
  });
});

test('a worker measures the installation too, and neither its event loop nor revocations, which jobs do not wait for', () => {
  const sizes = { database_bytes: 5, users: 3, sealedEvents: 2 };
  const measured = measuredOf({ kind: 'worker', gauges, sizes, config: { ...config, capacity: { databaseGb: 0 } } });
  expect(measured).toMatchObject({
    database_bytes: { value: 5, limit: null },
    users: { value: 3, limit: null },
    sealed_events: { value: 2, limit: null },
  });
  expect(Object.keys(measured)).not.toEqual(expect.arrayContaining(['event_loop_utilization']));
  expect(Object.keys(measured)).not.toEqual(expect.arrayContaining(['revocations']));
  expect(measuredOf({ kind: 'worker', gauges, sizes, config })).toMatchObject({ database_bytes: { limit: 20e9 } });
});

test('an hour keeps the higher value of each series, with the newest limit', () => {
  const before = { users: { value: 3, limit: null }, revocations: { value: 9, limit: 10 } };
  expect(higherOf(before, { revocations: { value: 4, limit: 20 }, heap_share: { value: 0.5, limit: 0.9 } })).toEqual({
    users: { value: 3, limit: null },
    revocations: { value: 9, limit: 20 },
    heap_share: { value: 0.5, limit: 0.9 },
  });
});
