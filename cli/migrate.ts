import type { Command } from 'commander';
import { migrate, migrationStates } from '../services/platform/postgres/migrate.ts';
import { openContext } from './context.ts';
import { exitCodes } from './exit-codes.ts';
import { createOutput, type GlobalOptions } from './output.ts';
import { recordDeploy } from './releases.ts';

async function status(options: GlobalOptions): Promise<void> {
  const { databaseUrl } = await openContext(['databaseUrl']);
  const migrations = await migrationStates(databaseUrl);
  createOutput(options).data({ migrations }, () => migrations.map(({ name, state }) => `${state.padEnd(8)} ${name}`));
  // `unknown` alone means migrations of a later version, as in a rolling deploy: this version can run with them.
  if (migrations.some(({ state }) => state === 'pending' || state === 'changed'))
    process.exitCode = exitCodes.checkFailed;
}

async function up(options: GlobalOptions): Promise<void> {
  if (options.dryRun) return status(options);
  const { databaseUrl } = await openContext(['databaseUrl']);
  const applied = await migrate(databaseUrl, createOutput(options).say);
  await recordDeploy(databaseUrl, 'sallyport migrate up');
  createOutput(options).data({ applied }, () => (applied.length > 0 ? applied : ['nothing to do']));
}

export function registerMigrate(program: Command): void {
  const command = program.command('migrate');
  command
    .command('status')
    .description(
      'show whether each migration is applied, pending, changed or of a later version; exit with code 1 if any is pending or changed',
    )
    .action((_own, own: Command) => status(own.optsWithGlobals()));
  command
    .command('up')
    .description('apply pending migrations')
    .action((_own, own: Command) => up(own.optsWithGlobals()));
}
