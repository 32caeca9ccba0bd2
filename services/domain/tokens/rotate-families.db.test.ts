import { randomBytes, randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createFamilyCopy, type FamilyCopy, insertUser, refreshSecrets } from '../../platform/testing/families.ts';
import { createTestDatabase, type TestDatabase } from '../../platform/testing/stores.ts';

const incarnation = randomUUID();
const keys = new Map([[1, randomBytes(32)]]);
const newest = 1;
const secrets = refreshSecrets(keys, () => newest);
let database: TestDatabase;
let copy: FamilyCopy;
let other: FamilyCopy;
beforeAll(async () => {
  database = await createTestDatabase();
  copy = createFamilyCopy({ url: database.url, secrets, incarnation });
  other = createFamilyCopy({ url: database.url, secrets, incarnation });
});
afterAll(async () => {
  await Promise.all([copy.close(), other.close()]);
  await database.drop();
});

const newFamily = async () => copy.create({ userId: await insertUser(copy.pool) });

describe('rotation', () => {
  test('60 parallel refreshes of one token over two copies: one rotation, one successor, no error (T2)', async () => {
    const family = await newFamily();
    const answers = await Promise.all(
      Array.from({ length: 60 }, (_, index) => (index % 2 === 0 ? copy : other).refresh(family.refreshToken)),
    );
    expect(answers.filter((answer) => answer.verdict === 'rotated')).toHaveLength(1);
    expect(new Set(answers.map((answer) => answer.refreshToken)).size).toBe(1);
    expect(answers[0]?.refreshToken).not.toBe(family.refreshToken);
  });
});
