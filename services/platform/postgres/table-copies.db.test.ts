import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { queryRows } from '#tools/testing/harness/ports.ts';
import { openTestPorts } from '#tools/testing/harness/stores.ts';
import { opened } from '#tools/testing/opened.ts';
import { readMigrations } from './migration-files.ts';
import { rehearseMigrations } from './rehearse-migrations.ts';
import { openRestoreTarget } from './table-copies.ts';

const ports = opened(openTestPorts);

const USERS = 2_000;
const users = { table: 'users', columns: ['id', 'email'] };

async function* rows(last = ''): AsyncGenerator<Buffer> {
  for (let n = 0; n < USERS; n += 1) yield Buffer.from(`u${n}\tu${n}@example.test\n`);
  if (last !== '') yield Buffer.from(last);
}

/** Every index and constraint of the table, by name, with what it says. */
const guards = () =>
  ports.raw`SELECT indexname AS name, indexdef AS definition FROM pg_indexes WHERE tablename = 'users'
    UNION ALL SELECT conname, pg_get_constraintdef(oid) FROM pg_constraint
      WHERE conrelid = 'users'::regclass OR confrelid = 'users'::regclass ORDER BY 1, 2`;

test.each([
  ['builds the indexes of a large table once over all rows', 1_000],
  ['lets those of a small table grow', 10_000_000],
])('a restore %s, and they are as before', async (_what, largeBytes) => {
  const before = await guards();
  const target = await openRestoreTarget(ports.databaseUrl, { largeBytes });
  const during: number[] = [];
  await target
    .fill(
      ['users', 'accounts', 'sessions'],
      [],
      async ({ load, rowsOf }) => {
        await load(users, rows());
        for await (const _part of rowsOf(users, () => during.push(1)));
      },
      async () => {},
    )
    .finally(() => target.close());
  expect(during).toHaveLength(USERS);
  expect(await guards()).toEqual(before);
  expect(await ports.raw`SELECT id FROM users WHERE email = 'u7@example.test'`).toEqual([{ id: 'u7' }]);
});

test('a duplicate among the rows of a large table fails the restore, which leaves everything as it was', async () => {
  const before = await guards();
  const target = await openRestoreTarget(ports.databaseUrl, { largeBytes: 1_000 });
  const filling = target.fill(
    ['users', 'accounts', 'sessions'],
    [],
    ({ load }) => load(users, rows('u7\tanother@example.test\n')),
    async () => {},
  );
  await expect(filling).rejects.toMatchObject({ code: '23505' });
  await target.close();
  expect(await guards()).toEqual(before);
});

const NEXT = fileURLToPath(new URL('../../../tools/testing/fixtures/next-release', import.meta.url));

test('migrations of a next release are applied, taken back and applied again in a copy with the rows, until a hold finds some', async () => {
  const [baseline, ...own] = await readMigrations();
  const applied = [baseline!, ...own];
  const pending = (await readMigrations([NEXT])).slice(applied.length);
  const names = pending.map(({ name }) => name);
  expect(names).toHaveLength(2);
  await ports.raw`INSERT INTO users (id, email) VALUES ('ada', 'ada@people.test')`;
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
  expect(await queryRows(ports.databaseUrl)(copies)).toEqual([]);
  expect(await queryRows(ports.databaseUrl)`SELECT to_regclass('devices') AS devices`).toEqual([{ devices: null }]);
});
