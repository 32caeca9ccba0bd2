import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import type { RequestContext } from '#services/core/ports.ts';
import { systemClock } from '#services/platform/crypto/system.ts';
import { type FamilyCopy, publicClient } from '#tools/testing/fixtures/families.ts';
import { PATIENCE_MS } from '#tools/testing/harness/ports.ts';
import { type FamilyHarness, generations, openFamilyHarness, outcome } from './family-harness.ts';

/** A token delayed at one copy, while its client has given up there and refreshed twice at another copy. */

let harness: FamilyHarness;
let copy: FamilyCopy;
let other: FamilyCopy;
beforeAll(async () => {
  harness = await openFamilyHarness();
  [copy, other] = [harness.copyWith(), harness.copyWith()];
});
afterEach(() => harness.reset());
afterAll(() => harness?.close());

const from = (request: Partial<RequestContext>) => ({
  kind: 'anonymous' as const,
  request: { ip: '192.0.2.1', userAgent: 'test/1', traceId: '', traceparent: '', hasLeft: false, ...request },
});
const codeOf = (work: Promise<unknown>): Promise<unknown> =>
  work.then(
    () => 'answered',
    (err: { code?: string }) => err.code,
  );

test('of a caller who has left is not sent, so it is not taken for a replay and the family stays live', async () => {
  const { family_id: familyId, refresh_token: refreshToken } = await harness.newFamily();
  const statements = copy.statements();
  const caller = from({});
  const abandoned = codeOf(copy.refresh(refreshToken, publicClient, caller));
  caller.request.hasLeft = true;
  const tokens = await generations(other, refreshToken, 2);
  expect(await abandoned).toBe('store_unavailable');
  expect(copy.statements()).toBe(statements);
  expect(await harness.rowOf(familyId)).toMatchObject({ generation: 2, revoke_reason: null });
  expect(await outcome(copy, tokens[2] as string)).toBe('rotated');
});

test('that arrived longer ago than its deadline is not sent', async () => {
  const { family_id: familyId, refresh_token: refreshToken } = await harness.newFamily();
  await generations(other, refreshToken, 2);
  const arrivedAt = systemClock.monotonic() - PATIENCE_MS - 1;
  expect(await codeOf(copy.refresh(refreshToken, publicClient, from({ arrivedAt })))).toBe('store_unavailable');
  expect(await harness.rowOf(familyId)).toMatchObject({ generation: 2, revoke_reason: null });
});

test('whose statement begins past the deadline of its arrival changes nothing', async () => {
  const { family_id: familyId, refresh_token: refreshToken } = await harness.newFamily();
  await generations(other, refreshToken, 2);
  // Sent before the deadline by our clock, begun after it by the database's clock.
  const secrets = { ...harness.secrets, state: () => ({ clockOffsetMs: PATIENCE_MS / 2 }) };
  const late = harness.copyWith({}, { secrets });
  const arrivedAt = systemClock.monotonic() - PATIENCE_MS * 0.75;
  expect(await codeOf(late.refresh(refreshToken, publicClient, from({ arrivedAt })))).toBe('store_unavailable');
  expect(late.statements()).toBe(1);
  expect(await harness.rowOf(familyId)).toMatchObject({ generation: 2, revoke_reason: null });
});
