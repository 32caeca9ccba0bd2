import { afterAll, beforeAll, expect, test } from 'vitest';
import { eventually } from '#testing/eventually.ts';
import { type ProductWorld, startProductWorld } from '#testing/harness/product-world.ts';
import { send } from '#testing/http-client.ts';
import { evaluateInside, INSPECTABLE } from '#testing/processes/inside.ts';
import type { Product } from '#testing/product.ts';

let world: ProductWorld;
let product: Product;

beforeAll(async () => {
  world = await startProductWorld({ ...INSPECTABLE, DRAIN_SECONDS: '1' });
  product = world.product;
});
afterAll(() => world?.close());

test('a promise that nobody catches is logged without its words, and the process replaced', async () => {
  const before = product.apiPid();
  await evaluateInside(product, `setTimeout(() => { Promise.reject(new Error('words of a stranger')); }, 0); 1`);
  await eventually('another process', () => {
    const now = product.apiPid();
    return now !== undefined && now !== before;
  });
  await eventually('its answer', async () => {
    const answer = await send(product.api, 'GET', '/readyz').catch(() => undefined);
    return answer?.status === 200;
  });
  expect(product.output()).toContain('unhandled error');
  expect(product.output()).not.toContain('words of a stranger');
});
