import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { systemCaller } from '#cli/database-ports.ts';
import { rollBack } from '#services/migrate/roll-back.ts';
import { migrate } from '#services/platform/postgres/migrate.ts';
import { readMigrations } from '#services/platform/postgres/migration-files.ts';
import { eventually } from '#tools/testing/eventually.ts';
import { GuaranteeViolated } from '../cases/case.ts';
import { type AfterRollback, violationOfRollback } from '../gates-releases.ts';
import { type Fault, type FaultSite, fault } from './fault.ts';
import { withSessions } from './stores.ts';

/** A migration that changes hot tables and rows, and fails with its last statement. */
const BAD = `ALTER TABLE users ADD COLUMN bad text;
ALTER TABLE refresh_families ADD COLUMN bad text;
UPDATE roles SET description = 'bad';
SELECT 1 / 0;
`;

const LEFT = `SELECT 1 FROM information_schema.columns WHERE column_name = 'bad'
  UNION ALL SELECT 1 FROM roles WHERE description = 'bad'
  UNION ALL SELECT 1 FROM _prisma_migrations WHERE migration_name LIKE '%_bad'`;

/** The release that a rollback takes back: three tables, of which the first is held by its rows. */
const PARTS = ['one', 'two', 'three'] as const;
const VERSION = '7.0.0';
const MIGRATE = `application_name = 'sallyport-migrate'`;

function writeRelease(folder: string): void {
  for (const [at, part] of PARTS.entries()) {
    const into = join(folder, `2099010200000${at}_chaos_${part}`);
    mkdirSync(into, { recursive: true });
    writeFileSync(join(into, 'migration.sql'), `CREATE TABLE chaos_${part} (id int)`);
    writeFileSync(join(into, 'down.sql'), `SELECT pg_sleep(0.2); DROP TABLE chaos_${part}`);
    const holds = at === 0 ? [{ rows: 'SELECT FROM chaos_one', because: 'rows would be lost' }] : [];
    writeFileSync(join(into, 'phase.json'), JSON.stringify({ phase: 'contract', down: 'down.sql', holds }));
  }
}

/** A rollback that meets a row, or whose session ends in the middle, changes nothing; the next one is whole. */
async function heldRollback({ system, random }: FaultSite): Promise<string> {
  const { stores } = system;
  const url = stores.url('postgres');
  const folder = join(system.folder, 'held-release');
  writeRelease(folder);
  const last = (await readMigrations()).at(-1)!.name;
  await migrate(url, () => {}, [folder]);
  const question = { databaseUrl: url, version: VERSION, releases: [{ version: VERSION, migration: last }] };
  const migrations = await readMigrations([folder]);
  const back = (say: (text: string) => void = () => {}): Promise<'whole' | 'refused' | 'cut'> =>
    rollBack({ ...question, migrations, command: 'chaos', say }, systemCaller('sallyport rollback')).then(
      () => 'whole' as const,
      (err: { code?: string }) => (err.code === 'rollback_incompatible' ? 'refused' : 'cut'),
    );
  const expectNoViolation = async (end: 'whole' | 'refused' | 'cut', committed: number): Promise<void> => {
    const [found] = await stores.query<Omit<AfterRollback, 'committed' | 'rows'>>(
      `SELECT (SELECT count(*)::int FROM pg_class WHERE relname LIKE 'chaos\\_%' AND relkind = 'r') AS tables,
         (SELECT count(*)::int FROM _prisma_migrations WHERE migration_name LIKE '%\\_chaos\\_%'
          AND rolled_back_at IS NULL) AS applied`,
    );
    const rows = found!.tables === 0 ? [] : await stores.query('SELECT FROM chaos_one');
    const violation = violationOfRollback(end, { ...found!, committed, rows: rows.length }, PARTS.length);
    if (violation !== undefined) throw new GuaranteeViolated(violation);
  };
  await withSessions(system, 1, async ([writer]) => {
    await writer?.query('BEGIN; INSERT INTO chaos_one VALUES (1)');
    const rolled = back();
    await eventually('a rollback that waits for the writer', async () => {
      const waiting = await stores.query(`SELECT FROM pg_stat_activity WHERE ${MIGRATE} AND wait_event_type = 'Lock'`);
      return waiting.length > 0;
    });
    await writer?.query('COMMIT');
    await expectNoViolation(await rolled, 1);
  });
  await stores.query('DELETE FROM chaos_one');
  const cutAfter = random.pick(PARTS)!;
  const cut = await back((text) => {
    if (text.endsWith(cutAfter))
      void stores.query(`SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE ${MIGRATE}`);
  });
  await expectNoViolation(cut, 0);
  if (cut !== 'whole') await expectNoViolation(await back(), 0);
  await stores.query(`DELETE FROM _prisma_migrations WHERE migration_name LIKE '%\\_chaos\\_%'`);
  return `refused by a row, ${cut} after chaos_${cutAfter}`;
}

export const releaseFaults: readonly Fault[] = [
  fault('held-rollback', heldRollback),
  fault('bad-release', async ({ system }) => {
    const folder = join(system.folder, 'bad-release');
    mkdirSync(join(folder, '20990101000000_bad'), { recursive: true });
    writeFileSync(join(folder, '20990101000000_bad/migration.sql'), BAD);
    const url = system.stores.url('postgres');
    const failure = await migrate(url, () => {}, [folder]).then(
      () => undefined,
      (err: Error & { code?: string }) => err,
    );
    if (failure?.code !== '22012') throw new GuaranteeViolated(`a bad migration ended with ${failure?.message}`);
    const left = await system.stores.query(LEFT);
    if (left.length > 0) throw new GuaranteeViolated('a migration that failed left changes');
    return 'a migration that fails with its last statement';
  }),
  fault('stolen-key', async ({ clients, copy }) => {
    const newest = [...clients.ledger.tokens.values()].at(-1);
    if (!newest || !(await clients.admin.signIn())) return 'no key to compromise';
    const isDone = await clients.admin.compromise(newest.kid, copy);
    return `${isDone ? 'compromised' : 'asked to compromise'} the signing key at ${copy}`;
  }),
];
