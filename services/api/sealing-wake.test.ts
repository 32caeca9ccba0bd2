import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { RequestTrace } from '#observability/trace-context.ts';
import type { Enqueue, EnqueueOptions } from '../platform/define/job.ts';
import { queueUnavailable } from '../platform/errors.ts';
import { createSealingWake } from './sealing-wake.ts';

let sent: (EnqueueOptions & { readonly name: string })[];
let isRedisAway: boolean;
const enqueue: Enqueue = async (job, _payload, options) => {
  sent.push({ name: job.name, ...options });
  if (isRedisAway) throw queueUnavailable();
  return { jobId: '1' };
};
const traceOf = (digit: string): RequestTrace => new RequestTrace(digit.repeat(32), undefined);
const clock = { now: () => Date.now(), monotonic: () => Date.now() };

beforeEach(() => {
  vi.useFakeTimers();
  sent = [];
  isRedisAway = false;
});
afterEach(() => vi.useRealTimers());

test('the first event after a quiet time wakes sealing at once, in the trace of its request', () => {
  createSealingWake({ enqueue, clock }).wake(traceOf('a'));
  expect(sent).toEqual([
    { name: 'seal-audit-events', dedupe: 'wake', traceparent: expect.stringMatching(/^00-a{32}-[0-9a-f]{16}-00$/) },
  ]);
});

test('a thousand events in an interval cause one more wake, after the last of them', () => {
  const { wake } = createSealingWake({ enqueue, clock });
  wake(traceOf('a'));
  for (let event = 0; event < 1_000; event += 1) {
    vi.advanceTimersByTime(event % 5 === 0 ? 1 : 0);
    wake(traceOf('b'));
  }
  expect(sent).toHaveLength(1);
  vi.advanceTimersByTime(250);
  expect(sent).toHaveLength(2);
  vi.advanceTimersByTime(10_000);
  expect(sent).toHaveLength(2);
});

test('without Redis nothing waits and nothing fails', async () => {
  isRedisAway = true;
  const { wake, close } = createSealingWake({ enqueue, clock });
  wake(traceOf('a'));
  vi.advanceTimersByTime(251);
  wake(traceOf('b'));
  await vi.advanceTimersByTimeAsync(1_000);
  expect(sent).toHaveLength(2);
  wake(traceOf('c'));
  wake(traceOf('d'));
  close();
  vi.advanceTimersByTime(1_000);
  expect(sent).toHaveLength(3);
});
