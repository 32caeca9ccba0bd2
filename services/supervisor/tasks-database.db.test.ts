import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, expect, inject, test } from 'vitest';
import { queryRows } from '#tools/testing/harness/ports.ts';
import { onServer } from '#tools/testing/harness/stores.ts';
import { prepareTasksDatabase } from './tasks-database.ts';

const product = `product_${randomBytes(6).toString('hex')}`;
const limited = `${product}_limited`;
let ownerUrl: string;

beforeAll(async () => {
  await onServer((admin) => admin.query(`CREATE DATABASE ${product}`));
  const url = new URL(inject('templateUrl'));
  url.pathname = `/${product}`;
  ownerUrl = url.href;
});
afterAll(() =>
  onServer(async (admin) => {
    for (const name of [`${product}_tasks`, product]) await admin.query(`DROP DATABASE IF EXISTS ${name} WITH (FORCE)`);
    for (const name of [`${product}_tasks`, limited]) await admin.query(`DROP ROLE IF EXISTS ${name}`);
  }),
);

test('starts that run at once create one database of the tasks API, whose role owns it and reads nothing of the product', async () => {
  const [first, second] = await Promise.all([1, 2].map(() => prepareTasksDatabase(ownerUrl, 'a pass/word')));
  expect(second).toBe(first);
  const url = first as string;
  await queryRows(url)`CREATE TABLE tasks (id int)`;
  await prepareTasksDatabase(ownerUrl, 'a new pass/word');
  await expect(queryRows(url)`SELECT 1`).rejects.toMatchObject({ code: '28P01' });
  const renewed = await prepareTasksDatabase(ownerUrl, 'a pass/word');
  expect(await queryRows(renewed)`SELECT count(*)::int AS count FROM tasks`).toEqual([{ count: 0 }]);

  await queryRows(ownerUrl)`CREATE TABLE secrets (id int)`;
  const inside = new URL(url);
  inside.pathname = `/${product}`;
  await expect(queryRows(inside.href)`SELECT * FROM secrets`).rejects.toMatchObject({ code: '42501' });
});

test('a user who may create neither role nor database is refused', async () => {
  await onServer((admin) => admin.query(`CREATE ROLE ${limited} LOGIN PASSWORD 'limited'`));
  const url = new URL(ownerUrl);
  [url.username, url.password] = [limited, 'limited'];
  await expect(prepareTasksDatabase(url.href, 'x')).rejects.toMatchObject({ code: '42501' });
});
