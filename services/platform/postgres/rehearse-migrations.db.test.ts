import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { queryRows } from '#tools/testing/harness/ports.ts';
import { openTestPorts } from '#tools/testing/harness/stores.ts';
import { opened } from '#tools/testing/opened.ts';
import { readMigrations } from './migration-files.ts';
import { rehearseMigrations } from './rehearse-migrations.ts';

const NEXT = fileURLToPath(new URL('../../../tools/testing/fixtures/next-release', import.meta.url));

const ports = opened(openTestPorts);

test('migrations of a next release are applied, taken back and applied again in a copy with the rows, until a hold finds some', async () => {
  const [baseline, ...own] = await readMigrations();
  const applied = [baseline!, ...own];
  const pending = (await readMigrations([NEXT])).slice(applied.length);
  const names = pending.map(({ name }) => name);
  expect(names).toHaveLength(2);
  await ports.raw(`INSERT INTO users (id, email) VALUES ('ada', 'ada@people.test')`);
  const plan = { url: ports.databaseUrl, applied, pending, rows: 'all', say: () => {} } as const;
  const tried = await rehearseMigrations({ ...plan, reverted: pending });
  expect(tried).toMatchObject({ drift: [], holds: [] });
  expect(tried.rowsCopied).toBeGreaterThan(100);
  const up = names.map((migration) => ({ migration, direction: 'up', refusals: [] }));
  const down = [...up].reverse().map((step) => ({ ...step, direction: 'down' }));
  expect(tried.steps).toMatchObject([...up, ...down, ...up]);
  expect(tried.steps[0]?.locks).toMatchObject({ sessions: 'AccessExclusiveLock' });
  const held = pending.map((migration, at) => ({
    ...migration,
    holds: at === 0 ? [{ rows: `SELECT FROM users WHERE id = 'ada'`, because: 'ada would be lost' }] : [],
  }));
  const kept = await rehearseMigrations({ ...plan, pending: held, reverted: held });
  expect(kept.holds).toEqual([`migration ${names[0]}: ada would be lost`]);
  expect(kept.steps.map(({ direction }) => direction)).toEqual(['up', 'up', 'down', 'up']);
  const copies = `SELECT FROM pg_database WHERE datname LIKE 'sallyport\\_check%'`;
  expect(await queryRows(ports.databaseUrl, copies)).toEqual([]);
  expect(await queryRows(ports.databaseUrl, `SELECT to_regclass('devices') AS devices`)).toEqual([{ devices: null }]);
});
