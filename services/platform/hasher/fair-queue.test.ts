import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createFairQueue } from './fair-queue.ts';

type TestJob = { readonly name: string; readonly clientPrefix: string; readonly knownDevice: boolean };

const unknownJob = (name: string, clientPrefix = name): TestJob => ({ name, clientPrefix, knownDevice: false });

const knownJob = (name: string, clientPrefix = name): TestJob => ({ name, clientPrefix, knownDevice: true });

function takeAll(queue: { take(): TestJob | undefined }): string[] {
  const names: string[] = [];
  for (let job = queue.take(); job; job = queue.take()) names.push(job.name);
  return names;
}

describe('fair queue', () => {
  it('serves client prefixes round-robin, each in order of arrival', () => {
    const queue = createFairQueue<TestJob>(10, 0);
    for (const job of [unknownJob('a1', 'a'), unknownJob('a2', 'a'), unknownJob('a3', 'a')]) queue.offer(job);
    for (const job of [unknownJob('b1', 'b'), unknownJob('c1', 'c'), unknownJob('b2', 'b')]) queue.offer(job);
    expect([takeAll(queue), queue.size]).toEqual([['a1', 'b1', 'c1', 'a2', 'b2', 'a3'], 0]);
  });

  it('alternates known devices with unknown ones, however many unknown ones wait', () => {
    const queue = createFairQueue<TestJob>(10, 2);
    for (const name of ['u1', 'u2', 'u3', 'u4']) queue.offer(unknownJob(name));
    queue.offer(knownJob('k1'));
    queue.offer(knownJob('k2'));
    expect(takeAll(queue)).toEqual(['k1', 'u1', 'k2', 'u2', 'u3', 'u4']);
  });

  it('reserves places for known devices', () => {
    const queue = createFairQueue<TestJob>(4, 1);
    for (const name of ['u1', 'u2', 'u3']) expect(queue.offer(unknownJob(name))).toBeUndefined();
    const refused = unknownJob('u4');
    expect(queue.offer(refused)).toBe(refused);
    expect(queue.offer(knownJob('k1'))).toBeUndefined();
    const secondKnown = knownJob('k2');
    expect(queue.offer(secondKnown)).toBe(secondKnown);
    expect(queue.size).toBe(4);
  });

  it('lets known devices use every free place', () => {
    const queue = createFairQueue<TestJob>(4, 1);
    for (const name of ['k1', 'k2', 'k3', 'k4']) expect(queue.offer(knownJob(name))).toBeUndefined();
    const refused = unknownJob('u1');
    expect(queue.offer(refused)).toBe(refused);
  });

  it('displaces the newest job of a flooding prefix for another prefix, but never so that two prefixes displace each other', () => {
    const queue = createFairQueue<TestJob>(4, 0);
    const flood = ['a1', 'a2', 'a3', 'a4'].map((name) => unknownJob(name, 'a'));
    for (const job of flood) queue.offer(job);
    expect(queue.offer(unknownJob('b1', 'b'))).toBe(flood[3]);
    expect(queue.offer(unknownJob('b2', 'b'))).toBe(flood[2]);
    const third = unknownJob('b3', 'b');
    expect(queue.offer(third)).toBe(third);
    expect(takeAll(queue)).toEqual(['a1', 'b1', 'a2', 'b2']);
  });

  it('forgets a removed job, and ignores the removal of a job it does not hold', () => {
    const queue = createFairQueue<TestJob>(4, 0);
    const [first, second, alone] = [unknownJob('a1', 'a'), unknownJob('a2', 'a'), unknownJob('b1', 'b')];
    for (const job of [first, second, alone]) queue.offer(job);
    queue.remove(first);
    queue.remove(first);
    queue.remove(alone);
    queue.remove(unknownJob('never'));
    expect([queue.size, takeAll(queue)]).toEqual([1, ['a2']]);
  });

  it('is empty after drain', () => {
    const queue = createFairQueue<TestJob>(4, 1);
    queue.offer(unknownJob('u1'));
    queue.offer(knownJob('k1'));
    expect([queue.drain().map(({ name }) => name), queue.size]).toEqual([['k1', 'u1'], 0]);
    expect(queue.take()).toBeUndefined();
  });

  it('never exceeds its bounds, loses a job or serves one twice, in any order of operations', () => {
    const step = fc.oneof(
      fc.record({ act: fc.constant('offer' as const), prefix: fc.constantFrom('a', 'b', 'c'), known: fc.boolean() }),
      fc.record({ act: fc.constant('take' as const) }),
      fc.record({ act: fc.constant('remove' as const), pick: fc.nat() }),
    );
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 8 }), fc.array(step, { maxLength: 120 }), (capacity, steps) => {
        const reserved = Math.floor(capacity / 4);
        const queue = createFairQueue<TestJob>(capacity, reserved);
        const waiting = new Set<TestJob>();
        for (const [index, next] of steps.entries()) {
          if (next.act === 'offer') {
            const job: TestJob = { name: `${index}`, clientPrefix: next.prefix, knownDevice: next.known };
            waiting.add(job);
            const hasSeat = queue.hasSeatFor(job);
            const left = queue.offer(job);
            expect(left === job, 'the prediction').toBe(!hasSeat);
            if (left) expect(waiting.delete(left)).toBe(true);
            if (left) expect(left.knownDevice).toBe(job.knownDevice);
          } else if (next.act === 'take') {
            const job = queue.take();
            expect(job === undefined).toBe(waiting.size === 0);
            if (job) expect(waiting.delete(job)).toBe(true);
          } else {
            const job = [...waiting][next.pick % Math.max(1, waiting.size)];
            if (job) queue.remove(job);
            if (job) waiting.delete(job);
          }
          expect(queue.size).toBe(waiting.size);
          expect(waiting.size).toBeLessThanOrEqual(capacity);
          const unknownWaiting = [...waiting].filter((job) => !job.knownDevice).length;
          expect(unknownWaiting).toBeLessThanOrEqual(capacity - reserved);
        }
      }),
    );
  });
});
