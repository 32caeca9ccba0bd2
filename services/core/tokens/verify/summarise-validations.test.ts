import { expect, test, vi } from 'vitest';
import type { Sql } from '#services/core/ports.ts';
import { quietLog } from '#tools/testing/harness/ports.ts';
import { tokenHarness, validateToken } from '#tools/testing/harness/token.ts';
import { createValidationSummary } from './summarise-validations.ts';

function outbox(): { sql: Sql; rows: Record<string, number>[]; fail: boolean } {
  const box = {
    rows: [] as Record<string, number>[],
    fail: false,
    sql: {
      query: async (_statement: unknown, values: readonly unknown[] = []) => {
        if (box.fail) throw new Error('down');
        expect(values.slice(1, 4)).toEqual(['token.validations', 'counted', 'system']);
        box.rows.push(JSON.parse(values[10] as string));
        return [];
      },
    } as Sql,
  };
  return box;
}

test('a summary writes one row of counts for any number of validations, and none without validations', async () => {
  const { ports, token } = tokenHarness();
  const box = outbox();
  const summary = createValidationSummary({ ...ports, sql: box.sql, log: quietLog });
  await summary.write();
  for (let use = 0; use < 5; use += 1) validateToken(ports, token());
  validateToken(ports, 'rubbish');
  await summary.write();
  await summary.write();
  expect(box.rows).toEqual([{ active: 5, malformed: 1 }]);
});

test('counts that could not be written are part of the next row', async () => {
  const { ports, token } = tokenHarness();
  const box = outbox();
  const summary = createValidationSummary({ ...ports, sql: box.sql, log: quietLog });
  box.fail = true;
  validateToken(ports, token());
  await summary.write();
  box.fail = false;
  validateToken(ports, token());
  await summary.close();
  expect(box.rows).toEqual([{ active: 2 }]);
});

test('a row is written every minute from start to close', async () => {
  vi.useFakeTimers();
  const { ports, token } = tokenHarness();
  const box = outbox();
  const summary = createValidationSummary({ ...ports, sql: box.sql, log: quietLog });
  summary.start();
  validateToken(ports, token());
  await vi.advanceTimersByTimeAsync(60_000);
  expect(box.rows).toHaveLength(1);
  await summary.close();
  validateToken(ports, token());
  await vi.advanceTimersByTimeAsync(180_000);
  expect(box.rows).toHaveLength(1);
  vi.useRealTimers();
});
