import { expect, test } from 'vitest';
import { registry } from '#observability/metrics/instruments.ts';
import { defineStatement } from '#services/platform/define/statement.ts';
import { openTestPorts } from '#tools/testing/harness/stores.ts';
import { opened } from '#tools/testing/opened.ts';
import { createLogGauges, watchBacklog } from './log-gauges.ts';

const ports = opened(openTestPorts);

const gauge = (name: string): number | undefined =>
  registry.collect().find((metric) => metric.name === name)?.series[0]?.value;

test('a worker that seals nothing shows the backlog, also after another worker sealed it', async () => {
  // Removes the events that the migrations wrote.
  await ports.sql.query(defineStatement('', 'TRUNCATE audit_outbox'));
  const [event] = await ports.sql.query<{ id: number }>(
    defineStatement(
      '',
      `INSERT INTO audit_outbox (type, outcome, actor_kind, occurred_at)
       VALUES ('session.created', 'ok', 'system', now() - interval '1 hour') RETURNING id`,
    ),
  );
  const watch = watchBacklog({ ...ports, logGauges: createLogGauges(ports) }, 20);
  await expect.poll(() => gauge('sallyport_audit_outbox_backlog')).toBe(1);
  expect(gauge('sallyport_audit_outbox_oldest_age_seconds')).toBeGreaterThanOrEqual(3_600);
  await ports.sql.query(defineStatement('', 'UPDATE audit_outbox SET seq = 0 WHERE id = $1'), [event?.id]);
  await expect.poll(() => gauge('sallyport_audit_outbox_backlog')).toBe(0);
  expect(gauge('sallyport_audit_outbox_oldest_age_seconds')).toBe(0);
  watch.close();
});
