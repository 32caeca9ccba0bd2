import { expect, test } from 'vitest';
import { registry } from '#observability/metrics/instruments.ts';
import { lookBeforeScrape } from '#observability/metrics/scrape-looks.ts';
import type { TestPorts } from '#tools/testing/harness/ports.ts';
import { openTestPorts } from '#tools/testing/harness/stores.ts';
import { opened } from '#tools/testing/opened.ts';
import type { Clock } from '../core/ports.ts';
import { tokenPurges } from '../core/tokens/clean-up-expired-tokens.ts';
import { defineStatement } from '../platform/define/statement.ts';
import { watchCleanup } from './cleanup-gauges.ts';

const ports = opened(openTestPorts);

const lags = async (): Promise<Record<string, number>> => {
  await lookBeforeScrape();
  const series = registry.collect().find(({ name }) => name === 'sallyport_cleanup_lag_seconds')?.series ?? [];
  return Object.fromEntries(series.map(({ labels, value }) => [labels.kind, value]));
};

test('a kind’s lag is 0 while nothing is overdue, grows with time, and keeps growing while the database is away', async () => {
  let movedMs = 0;
  const clock: Clock = { now: () => Date.now(), monotonic: () => performance.now() + movedMs };
  await ports.sql.query(
    defineStatement('')`
      INSERT INTO idempotency_keys (key_hash, request_hash, expires_at)
      VALUES ('overdue', 'x', now() - interval '2 hours'), ('live', 'x', now() + interval '1 hour')`,
  );
  let isAway = false;
  const sql: TestPorts['sql'] = {
    query: (statement, values) => (isAway ? Promise.reject(new Error('away')) : ports.sql.query(statement, values)),
  };
  const watch = watchCleanup({ sql, clock }, tokenPurges, 20);
  await expect.poll(lags).toMatchObject({ families: 0, revocations: 0, idempotency_keys: expect.any(Number) });
  expect((await lags()).idempotency_keys).toBeGreaterThanOrEqual(7_200);
  await ports.sql.query(defineStatement('')`DELETE FROM idempotency_keys WHERE key_hash = 'overdue'`);
  await expect.poll(lags).toMatchObject({ idempotency_keys: 0 });
  isAway = true;
  movedMs = 3 * 3_600_000;
  expect((await lags()).idempotency_keys).toBeGreaterThanOrEqual(7_200 - 60);
  expect((await lags()).families).toBe(0);
  watch.close();
});
