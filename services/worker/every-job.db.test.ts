import { afterAll, beforeAll, expect, test } from 'vitest';
import { jobs } from '../../jobs/schedules.ts';
import { createProducer, type Producer } from '../platform/queue/producer.ts';
import { signUp } from '../platform/testing/flows.ts';
import { eventually, type Product, queryRows, startProduct } from '../platform/testing/product.ts';

let product: Product;
let producer: Producer;
beforeAll(async () => {
  product = await startProduct({ env: { WORKER_COPIES: '2' } });
  producer = createProducer(product.credentials.redis_url, () => {});
  await producer.ready(30_000);
});
afterAll(async () => {
  await producer?.close();
  await product?.dispose();
});

const rows = (text: string) => queryRows(product.credentials.database_url, text);
const idOf = (name: string, ownId: string): string => `${name}-${ownId}`;

async function untilCompleted(ids: readonly { readonly queue: (typeof jobs)[number]['queue']; readonly id: string }[]) {
  for (const { queue, id } of ids)
    await eventually(`${id} to be done`, async () => {
      const state = await producer.queue(queue).getJobState(id);
      if (state === 'failed') throw new Error(`${id} is a dead letter`);
      return state === 'completed';
    });
}

test('every job delivered twice, and twice at once, by two workers: one effect', async () => {
  await Promise.all(Array.from({ length: 5 }, () => signUp(product)));
  const twice = jobs.flatMap((job) =>
    ['one', 'two'].map((ownId) => ({ job, queue: job.queue, id: idOf(job.name, ownId) })),
  );
  await Promise.all(twice.map(({ job, id }) => producer.enqueue(job, {}, { jobId: id.slice(job.name.length + 1) })));
  await untilCompleted(twice);
  for (const { queue, id } of twice) await (await producer.queue(queue).getJob(id))?.retry('completed');
  await untilCompleted(twice);

  const [sealed] = await eventually('every event to be sealed', async () => {
    const waiting = await rows('SELECT 1 FROM audit_outbox WHERE seq IS NULL LIMIT 1');
    return waiting.length === 0
      ? rows(
          `SELECT count(*)::int AS leaves, count(DISTINCT event_id)::int AS events, max(seq)::int + 1 AS size FROM audit_events`,
        )
      : undefined;
  });
  expect(sealed?.leaves).toBeGreaterThan(5);
  expect(sealed).toEqual({ leaves: sealed?.leaves, events: sealed?.leaves, size: sealed?.leaves });
  const [keys] = await rows(
    `SELECT count(*) FILTER (WHERE signs @> now())::int AS signing, count(*)::int AS all FROM jwks WHERE purpose = 'access'`,
  );
  expect(keys).toEqual({ signing: 1, all: 1 });
  const secrets = await rows('SELECT purpose, count(*)::int AS versions FROM server_secrets GROUP BY purpose');
  for (const { purpose, versions } of secrets) expect([purpose, versions]).toEqual([purpose, 1]);
  expect(product.output()).not.toMatch(/"level":"error"/);
});
