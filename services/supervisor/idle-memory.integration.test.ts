import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect, inject, test } from 'vitest';
import { type Product, startProduct } from '#testing/harness/product.ts';

let product: Product;
beforeAll(async () => {
  product = await startProduct({ clusterDir: inject('clusterDir') });
});
afterAll(() => product?.dispose());

/** The memory of one process, pages that it shares counted in part, MB. */
const memoryOf = (pid: number): number =>
  Number(/^Pss: +(\d+)/m.exec(readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8'))?.[1]) / 1_000;

test.runIf(process.platform === 'linux')('an idle API process takes at most 220 MB', async () => {
  await sleep(3_000);
  expect(memoryOf(product.ready.pids.api)).toBeLessThanOrEqual(220);
});
