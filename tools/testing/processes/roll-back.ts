// For tests only: a rollback in a process of its own, to be killed. Prints what it does, line by line.
import { rollBack } from '#services/migrate/roll-back.ts';
import { readMigrations } from '#services/platform/postgres/migration-files.ts';
import { testCaller } from '../harness/ports.ts';

const [databaseUrl, folder, version, migration] = process.argv.slice(2) as [string, string, string, string];
const say = (text: string): void => void process.stdout.write(`${text}\n`);
const migrations = await readMigrations([folder]);
await rollBack(
  { databaseUrl, version, releases: [{ version, migration }], migrations, command: 'test', say },
  testCaller,
);
say('done');
