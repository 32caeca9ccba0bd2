import { afterAll, beforeAll, expect, test } from 'vitest';
import { createSql } from '#services/platform/postgres/pool.ts';
import type { FamilyCopy } from '#tools/testing/fixtures/families.ts';
import { type FamilyHarness, next, openFamilyHarness } from './family-harness.ts';
import { type ReadRefreshTokenPorts, readRefreshToken } from './read-refresh-token.ts';

let harness: FamilyHarness;
let copy: FamilyCopy;
let ports: ReadRefreshTokenPorts;
beforeAll(async () => {
  harness = await openFamilyHarness();
  copy = harness.copyWith();
  const state = { ...copy.ports, sql: createSql(copy.pool) };
  ports = state as unknown as ReadRefreshTokenPorts;
});
afterAll(() => harness?.close());

test('reading a refresh token gives its family and whether it is the newest, and does not use it', async () => {
  const { family_id: familyId, refresh_token: refreshToken, userId } = await harness.newFamily();
  const successor = await next(copy, refreshToken);
  const before = await harness.imageOf(familyId);
  expect(await readRefreshToken(ports, successor, null)).toMatchObject({
    familyId,
    user_id: userId,
    presentedGeneration: 1,
    isCurrent: true,
  });
  expect(await readRefreshToken(ports, refreshToken, null)).toMatchObject({ presentedGeneration: 0, isCurrent: false });
  expect(await harness.imageOf(familyId)).toBe(before);
});

test('a genuine token of a purged family is null', async () => {
  const { family_id: familyId, refresh_token: refreshToken } = await harness.newFamily();
  await copy.pool.query('DELETE FROM refresh_families WHERE id = $1', [familyId]);
  expect(await readRefreshToken(ports, refreshToken, null)).toBeNull();
});
