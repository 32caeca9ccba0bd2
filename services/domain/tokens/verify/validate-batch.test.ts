import { describe, expect, test } from 'vitest';
import type { Redis } from '#services/domain/ports.ts';
import { testCaller } from '#testing/harness/ports.ts';
import { tokenHarness } from '#testing/harness/token.ts';
import { validateBatch } from './validate-batch.ts';

describe('validate-batch', () => {
  test('a thousand forged tokens do not block other requests, and are answered in order', async () => {
    const harness = tokenHarness();
    const good = harness.token();
    const forged = `${good.slice(0, -8)}AAAAAAAA`;
    const tokens = Array.from({ length: 1_000 }, (_, index) => (index % 100 === 99 ? good : forged));
    let turns = 0;
    const count = (): void => {
      turns += 1;
      next = setImmediate(count);
    };
    let next = setImmediate(count);
    const ports = { ...harness.ports, redis: {} as Redis };
    const { results } = JSON.parse(await validateBatch(ports, { tokens }, testCaller));
    clearImmediate(next);
    expect(turns).toBeGreaterThanOrEqual(19);
    expect(results.map(({ active }: { active: boolean }) => active)).toEqual(tokens.map((token) => token === good));
  });
});
