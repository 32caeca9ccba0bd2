import { expect, test } from 'vitest';
import { registry } from '#observability/metrics/instruments.ts';
import { defineStatement } from '#services/platform/define/statement.ts';
import { connectedClient, rowsOf } from '#tools/testing/harness/ports.ts';
import { createTestDatabase, openTestPorts } from '#tools/testing/harness/stores.ts';
import { opened } from '#tools/testing/opened.ts';
import { auditPlansByIndex } from '../log.store.ts';
import { createLogGauges, watchBacklog } from './log-gauges.ts';
import { auditOutboxSeal, auditOutboxUnsealed } from './seal.store.ts';

const database = opened(createTestDatabase);
const client = opened(() => connectedClient(database.url));

const fill = (count: number, seq: string) =>
  client.query(
    `INSERT INTO audit_outbox (type, outcome, actor_kind, seq) SELECT 'test.done', 'ok', 'system', ${seq} FROM generate_series(1, ${count}) n`,
  );
const planOf = async (statement: string, values: readonly string[]): Promise<string> => {
  await client.query('BEGIN');
  await client.query(auditPlansByIndex.text);
  const inlined = statement.replaceAll(/\$(\d)/g, (_, n) => values[Number(n) - 1] as string);
  const { rows } = await client.query(`EXPLAIN (ANALYZE, TIMING OFF, BUFFERS OFF) ${inlined}`);
  await client.query('ROLLBACK');
  return rows.map((row) => row['QUERY PLAN']).join('\n');
};
const rowsRead = (plan: string): number =>
  Math.max(
    ...[...plan.matchAll(/Scan .*actual rows=([\d.]+) loops=(\d+)/g)].map(
      ([, rows, loops]) => Number(rows) * Number(loops),
    ),
  );

test.each([
  ['without statistics, all unsealed', 0, 30_000, false],
  ['statistics from before most rows were sealed', 30_000, 3_000, false],
  ['current statistics', 60_000, 3_000, true],
])('a batch reads only the rows that it seals: %s', async (_title, sealed, waiting, isAnalysed) => {
  await client.query('TRUNCATE audit_outbox');
  if (!isAnalysed && sealed > 0) {
    await fill(sealed, 'NULL');
    await client.query('ANALYZE audit_outbox');
    await client.query('UPDATE audit_outbox SET seq = id');
  } else await fill(sealed, 'n');
  await fill(waiting, 'NULL');
  if (isAnalysed) await client.query('VACUUM ANALYZE audit_outbox');
  await client.query('ANALYZE audit_events');

  // The first scan skips index entries of rows sealed since the last vacuum, and marks them dead.
  await planOf(auditOutboxUnsealed.text, ['500']);
  const select = await planOf(auditOutboxUnsealed.text, ['500']);
  expect(select).toMatch(/Index Scan using audit_outbox_\d+_occurred_at_id_idx/);
  expect(select).not.toMatch(/Seq Scan on audit_outbox|-> {2}Sort/);
  expect(rowsRead(select)).toBeLessThanOrEqual(501);

  await client.query('DROP TABLE IF EXISTS batch');
  await rowsOf(client)`CREATE TABLE batch AS SELECT id, occurred_at FROM audit_outbox
    WHERE seq IS NULL ORDER BY occurred_at, id LIMIT 500`;
  const update = await planOf(auditOutboxSeal.text, [
    `(SELECT array_agg(id ORDER BY id) FROM batch)`,
    `(SELECT array_agg(occurred_at ORDER BY id) FROM batch)`,
    `(SELECT array_agg(id ORDER BY id) FROM batch)`,
    `(SELECT array_agg(1::int2 ORDER BY id) FROM batch)`,
  ]);
  expect(update).toMatch(/Index Scan using audit_outbox_\d+_pkey .*loops=500/);
  expect(update).toMatch(/Nested Loop .*actual rows=500/);
  expect(rowsRead(update.replaceAll(/.*on batch.*/g, ''))).toBeLessThanOrEqual(500);
});

const ports = opened(openTestPorts);

const gauge = (name: string): number | undefined =>
  registry.collect().find((metric) => metric.name === name)?.series[0]?.value;

test('a worker that seals nothing shows the backlog, also after another worker sealed it', async () => {
  // Removes the events that the migrations wrote.
  await ports.sql.query(defineStatement('')`TRUNCATE audit_outbox`);
  const [event] = await ports.sql.query<{ id: number }>(
    defineStatement('')`
      INSERT INTO audit_outbox (type, outcome, actor_kind, occurred_at)
      VALUES ('session.created', 'ok', 'system', now() - interval '1 hour') RETURNING id`,
  );
  const watch = watchBacklog({ ...ports, logGauges: createLogGauges(ports) }, 20);
  await expect.poll(() => gauge('sallyport_audit_outbox_oldest_age_seconds')).toBeGreaterThanOrEqual(3_600);
  expect(gauge('sallyport_audit_outbox_backlog')).toBe(1);
  await ports.sql.query(defineStatement('')`UPDATE audit_outbox SET seq = 0 WHERE id = $1`, [event?.id]);
  await expect.poll(() => gauge('sallyport_audit_outbox_backlog')).toBe(0);
  expect(gauge('sallyport_audit_outbox_oldest_age_seconds')).toBe(0);
  watch.close();
});
