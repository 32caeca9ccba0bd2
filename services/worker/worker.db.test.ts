import { Queue } from 'bullmq';
import { Redis } from 'ioredis';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { eventually, type Product, queryRows, startProduct } from '../platform/testing/product.ts';

let product: Product;
beforeAll(async () => {
  product = await startProduct({ env: { JOB_SCHEDULE_CHECK_MS: '200' } });
});
afterAll(() => product?.dispose());

test('the worker runs beside the API and does its scheduled job', async () => {
  expect(product.ready.pids).toMatchObject({ worker: expect.any(Number) });
  const [row] = await eventually('the first scheduled run', async () => {
    const rows = await queryRows(product.credentials.database_url, 'SELECT * FROM job_schedules');
    return rows[0]?.last_outcome ? rows : undefined;
  });
  expect(row).toMatchObject({ job: 'clean-up-expired-tokens', last_outcome: 'completed' });
  const connection = new Redis(product.credentials.redis_url, { maxRetriesPerRequest: null });
  const queue = new Queue('token-cleanup', { connection, prefix: '{sallyport}' });
  await queue.close();
  connection.disconnect();
  const text = await (await fetch(product.metrics)).text();
});
