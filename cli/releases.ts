import type { Command } from 'commander';
import { version } from '../observability/version.ts';
import { rollbackRefused } from '../services/core/health/releases/execute-rollback.ts';
import {
  listReleases,
  maintainVersionHistory,
  type ReleaseRow,
} from '../services/core/health/releases/maintain-version-history.ts';
import { deployOf } from '../services/migrate/deploy-of.ts';
import { rollBack, rollBackPlan, withReleases } from '../services/migrate/roll-back.ts';
import { loadConfig } from '../services/platform/config/load.ts';
import { readMigrations, readReleases } from '../services/platform/postgres/migration-files.ts';
import { confirm } from './confirm.ts';
import { openContext } from './context.ts';
import { systemCaller } from './database-ports.ts';
import { CommandError, exitCodes } from './exit-codes.ts';
import { createOutput, type GlobalOptions } from './output.ts';

const UNDEFINED_TABLE = '42P01';

/** Works on the releases of the running or named database, which a version without them may have made. */
async function onReleases<T>(databaseUrl: string, work: Parameters<typeof withReleases<T>>[1]): Promise<T> {
  try {
    return await withReleases(databaseUrl, work);
  } catch (err) {
    if ((err as { code?: string }).code !== UNDEFINED_TABLE) throw err;
    throw new CommandError(exitCodes.checkFailed, 'the database has no releases yet', 'npx sallyport migrate up');
  }
}

/** Notes that this version migrated the database. */
export const recordDeploy = (databaseUrl: string, command: string): Promise<boolean> =>
  onReleases(databaseUrl, async (ports) => {
    const deploy = await deployOf(databaseUrl, loadConfig(process.env).server.build, command);
    return maintainVersionHistory(ports, deploy, systemCaller(command));
  });

const line = (row: ReleaseRow): string =>
  [
    row.started_at.toISOString(),
    row.kind.padEnd(8),
    row.version.padEnd(8),
    (row.build ?? '-').slice(0, 12).padEnd(12),
    row.schema_version,
    row.started_by,
  ].join('  ');

async function list(options: GlobalOptions & { limit: string }): Promise<void> {
  const limit = Number(options.limit);
  if (!Number.isInteger(limit) || limit < 1 || limit > 1_000)
    throw new CommandError(exitCodes.usage, '--limit takes a number from 1 to 1000');
  const { databaseUrl } = await openContext(['databaseUrl']);
  const releases = await onReleases(databaseUrl, (ports) => listReleases(ports, { limit }));
  createOutput(options).data({ version, releases }, () => releases.map(line));
}

export function registerReleases(program: Command): void {
  program
    .command('releases')
    .command('list')
    .description('list deploys and rollbacks of this database, newest first: version, build, schema, time and who')
    .option('--limit <n>', 'at most this many', '50')
    .action((_own, own: Command) => list(own.optsWithGlobals()));
}

async function rollback(target: string, options: GlobalOptions): Promise<void> {
  const { databaseUrl } = await openContext(['databaseUrl']);
  const output = createOutput(options);
  const [migrations, releases] = await Promise.all([readMigrations(), readReleases()]);
  const question = { databaseUrl, version: target, releases, migrations };
  const plan = await rollBackPlan(question);
  if (!plan.compatible) throw rollbackRefused(plan.reason);
  const { reason, reverts, keeps } = plan;
  if (options.dryRun)
    return output.data({ version: target, reason, would_revert: reverts, kept: keeps }, () => [
      reason,
      ...reverts.map((name) => `would take back  ${name}`),
      ...keeps.map((name) => `would keep       ${name}`),
    ]);
  if (!options.yes)
    await confirm(
      `Take back ${reverts.length} migrations, so that ${target} runs? No process of a later version may be running.`,
    );
  const command = 'sallyport rollback';
  const result = await rollBack({ ...question, command, say: output.say }, systemCaller(command));
  output.say(`start ${target} now: a start of ${version} migrates the database again`);
  output.data(result, () => [
    `version  ${result.version}`,
    ...result.reverted.map((name) => `reverted ${name}`),
    ...result.kept.map((name) => `kept     ${name}`),
  ]);
}

export function registerRollback(program: Command): void {
  program
    .command('rollback')
    .argument('<version>', 'the version to go back to')
    .action((target: string, _own, own: Command) => rollback(target, own.optsWithGlobals()));
}
