import { expect, test } from 'vitest';
import { eventually } from '#tools/testing/eventually.ts';
import { startProductHarness } from '#tools/testing/harness/product.ts';
import { send } from '#tools/testing/http-client.ts';
import { opened, partOf } from '#tools/testing/opened.ts';
import { evaluateInside, INSPECTABLE } from '#tools/testing/processes/inside.ts';

const harness = opened(() => startProductHarness({ ...INSPECTABLE, DRAIN_SECONDS: '1' }));
const product = partOf(() => harness.product);

test('an unhandled promise rejection is logged without its message, and the process is replaced', async () => {
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
