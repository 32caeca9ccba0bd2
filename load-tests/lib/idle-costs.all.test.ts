// About: services/worker/ jobs/ services/platform/queue/
import { afterAll, beforeAll, expect, inject, test } from 'vitest';
import { type Product, startProduct } from '#tools/testing/harness/product.ts';
import { IDLE_BOUNDS, idleCosts } from './idle-costs.ts';

let product: Product;
beforeAll(async () => {
  product = await startProduct({ clusterDir: inject('clusterDir'), isAsShipped: true });
});
afterAll(() => product?.dispose());

test('a product that nobody uses runs few jobs and writes little: its jobs, syncs, log and commands stay in their bounds', {
  timeout: 600_000,
}, async () => {
  const costs = await idleCosts(product, { seconds: 180 });
  for (const [name, atMost] of Object.entries(IDLE_BOUNDS))
    expect(
      costs[name as keyof typeof IDLE_BOUNDS],
      `${name}: ${JSON.stringify(costs.sources, null, 1)}`,
    ).toBeLessThanOrEqual(atMost);
});
