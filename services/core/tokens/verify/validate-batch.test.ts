import { setTimeout } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import type { Redis } from '#services/core/ports.ts';
import { testCaller } from '#tools/testing/harness/ports.ts';
import { tokenHarness } from '#tools/testing/harness/token.ts';
import type { LegacyBridge } from './legacy-bridge-port.ts';
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
    const ports = { ...harness.ports, redis: {} as Redis, legacyBridge: null };
    const { results } = JSON.parse(await validateBatch(ports, { tokens }, testCaller));
    clearImmediate(next);
    expect(turns).toBeGreaterThanOrEqual(19);
    expect(results.map(({ active }: { active: boolean }) => active)).toEqual(tokens.map((token) => token === good));
  });

  test('tokens of the old provider are answered in their places, four at once, and our verified ones are not read twice', async () => {
    const harness = tokenHarness();
    const good = harness.token();
    const [asked, seen]: [string[], string[]] = [[], []];
    let [running, most] = [0, 0];
    const legacyBridge: LegacyBridge = {
      isFor(token) {
        seen.push(token);
        return token.startsWith('old');
      },
      async answer({ token }) {
        asked.push(token);
        running += 1;
        most = Math.max(most, running);
        await setTimeout(1);
        running -= 1;
        return JSON.stringify({ active: true, issuer_kind: 'legacy', claims: { jti: token } });
      },
      introspect: () => Promise.reject(new Error('not asked for')),
    };
    const ports = { ...harness.ports, redis: {} as Redis, legacyBridge };
    const old = Array.from({ length: 9 }, (_, index) => `old${index}`);
    const tokens = [old[0] as string, good, 'x', ...old.slice(1)];
    // A token is remembered the second time.
    for (const seenBefore of [[], [], [good]]) {
      const { results } = JSON.parse(await validateBatch(ports, { tokens }, testCaller));
      const kinds = (results as readonly { issuer_kind?: string; reason?: string; claims?: { jti: string } }[]).map(
        ({ issuer_kind: kind, reason, claims }) => (kind === undefined ? (reason ?? 'ours') : claims?.jti),
      );
      expect(kinds).toEqual([old[0], 'ours', 'malformed', ...old.slice(1)]);
      expect(seen).toEqual(tokens.filter((token) => !seenBefore.includes(token)));
      seen.length = 0;
    }
    expect([asked.length, most]).toEqual([27, 4]);
  });
});
