import type { Command } from 'commander';
import {
  type RollbackCompatibility,
  refused,
  validateRollbackCompatibility,
} from '../services/core/health/releases/validate-rollback-compatibility.ts';
import { StartError } from '../services/platform/local/errors.ts';
import { migrationRefusal, migrationStates } from '../services/platform/postgres/migrate.ts';
import { type Migration, readMigrations, readReleases } from '../services/platform/postgres/migration-files.ts';
import { type RehearsedStep, rehearseMigrations } from '../services/platform/postgres/rehearse-migrations.ts';
import { openContext } from './context.ts';
import { CommandError, exitCodes } from './exit-codes.ts';
import { createOutput, type GlobalOptions } from './output.ts';

type CheckOptions = GlobalOptions & { rows: string; scratch?: string; steps?: boolean };

const refuse = (reason: string, fix = 'see docs/how-to/upgrade-and-roll-back.md'): CommandError =>
  new CommandError(exitCodes.refused, `upgrade refused: ${reason}`, fix);

function rowsOf(text: string): number | 'all' {
  if (text === 'all') return text;
  const rows = Number(text);
  if (Number.isInteger(rows) && rows >= 0) return rows;
  throw new CommandError(exitCodes.usage, '--rows takes a number or all');
}

const listOf = (facts: Readonly<Record<string, number | string>>, word: string): string[] =>
  Object.entries(facts).map(([table, fact]) => `    ${word} ${table}: ${fact}`);

const stepLines = ({ migration, direction, ms, rows, locks, refusals }: RehearsedStep): string[] => [
  `${direction.padEnd(4)}  ${migration}  ${ms} ms`,
  ...listOf(rows, 'rows touched '),
  ...listOf(locks, 'lock held    '),
  ...refusals.map(({ rule, on, text, why }) => `    refused ${rule}: ${on}: ${text} (${why})`),
];

/** What an operator plans for: how long the longest step takes, and which tables no statement reads meanwhile. */
function slowestOf(steps: readonly RehearsedStep[]): string {
  const slowest = steps.toSorted((one, other) => other.ms - one.ms)[0];
  if (slowest === undefined) return 'steps: none';
  const stopped = steps.flatMap(({ locks }) =>
    Object.keys(locks).filter((table) => locks[table] === 'AccessExclusiveLock'),
  );
  const unread = stopped.length === 0 ? 'every table can be read' : `not readable: ${[...new Set(stopped)].join(', ')}`;
  return `steps: ${steps.length}, the longest ${slowest.ms} ms (${slowest.migration} ${slowest.direction}); ${unread}`;
}

const canGoBack = ({ down }: Migration): boolean => 'sql' in down;

async function check(target: string, options: CheckOptions): Promise<void> {
  const rows = rowsOf(options.rows);
  const output = createOutput(options);
  const [migrations, releases] = await Promise.all([readMigrations(), readReleases()]);
  const at = releases.findIndex(({ version }) => version === target);
  const release = releases[at];
  if (!release)
    throw refuse(
      `no version ${target} is known, only ${releases.map(({ version }) => version).join(', ')}`,
      'check it with the command of that version',
    );
  const { databaseUrl } = await openContext(['databaseUrl']);
  const states = await migrationStates(databaseUrl);
  const refusal = migrationRefusal(states);
  if (refusal instanceof StartError) throw refuse(refusal.message, refusal.fix);
  const stateOf = new Map(states.map(({ name, state }) => [name, state]));
  const applied = migrations.filter(({ name }) => stateOf.get(name) === 'applied');
  const newer = states.filter(({ name, state }) => state !== 'pending' && name > release.migration);
  if (newer.length > 0)
    throw refuse(
      `the database is newer than ${target} (${newer[0]?.name})`,
      `npx sallyport rollback ${target} --dry-run`,
    );
  const pending = migrations.filter(({ name }) => stateOf.get(name) === 'pending' && name <= release.migration);
  const before = releases[at - 1];
  const present = applied.filter(({ name }) => before !== undefined && name > before.migration);
  const rehearsal = await rehearseMigrations({
    url: databaseUrl,
    scratchUrl: options.scratch,
    applied,
    pending,
    // What has no way back stays.
    reverted: (pending.length > 0 ? pending : present).filter(canGoBack),
    rows,
    say: output.say,
  }).catch((err: unknown) => {
    throw err instanceof StartError && err.code === 'migration_refused' ? refuse(err.message, err.fix) : err;
  });
  const { holds } = rehearsal;
  const back = backOf(
    pending,
    { releases, migrations, applied: [...applied, ...pending].map(({ name }) => name) },
    holds,
  );
  output.data(
    {
      version: target,
      pending: pending.map(({ name }) => name),
      rows_copied: rehearsal.rowsCopied,
      drift: rehearsal.drift,
      steps: rehearsal.steps,
      holds,
      rollback: back === undefined ? null : { version: back.version, compatible: back.compatible, reason: back.reason },
    },
    () => [
      `${target}: ${pending.length === 0 ? 'the database has every migration' : `${pending.length} migrations are pending`}; tried in a copy with ${rehearsal.rowsCopied} rows`,
      slowestOf(rehearsal.steps.filter(({ direction }) => direction === 'up')),
      `back: ${back === undefined ? (pending.length > 0 ? 'no version is known to go back to' : 'nothing to take back') : `to ${back.version} ${back.compatible ? 'yes' : 'no'}, ${back.reason}`}${holds.length === 0 ? '' : `; not taken back: ${holds.join('; ')}`}`,
      ...(options.steps
        ? [...rehearsal.drift.map((text) => `drift  ${text}`), ...rehearsal.steps.flatMap(stepLines)]
        : []),
    ],
  );
  if (rehearsal.drift.length > 0)
    throw refuse(
      `the schema is not that of its migrations (${rehearsal.drift[0]})`,
      'undo what was changed by hand, then check again',
    );
  const refused = rehearsal.steps.flatMap(({ migration, refusals }) =>
    refusals.map(({ text, on }) => `${migration}: ${on}: ${text}`),
  );
  if (refused[0] !== undefined) throw refuse(refused[0]);
  if (back && !back.compatible) throw refuse(`there is no way back: ${back.reason}`);
}

/** Whether the version that runs now could come back after the upgrade. */
function backOf(
  pending: readonly Migration[],
  question: Omit<Parameters<typeof validateRollbackCompatibility>[0], 'version'>,
  holds: readonly string[],
): (RollbackCompatibility & { readonly version: string }) | undefined {
  const held = question.applied.filter((name) => !pending.some((migration) => migration.name === name));
  const now = question.releases.findLast(({ migration }) => held.includes(migration));
  if (pending.length === 0 || !now) return undefined;
  const { version } = now;
  const plan = holds.length > 0 ? refused(holds.join('; ')) : validateRollbackCompatibility({ ...question, version });
  return { version, ...plan };
}

export function registerUpgrade(program: Command): void {
  program
    .command('upgrade')
    .command('check')
    .description(
      'check the migrations up to a version in a copy of the database: apply them, take them back, apply them again; say how long it takes, what it locks and whether there is a way back; exit with code 5 if it is refused',
    )
    .argument('<version>', 'the version to upgrade to')
    .option('--rows <n>', 'rows of each table to copy: a number, or all', '1000')
    .option('--steps', 'also print each step, with its rows, locks and time')
    .option('--scratch <url>', 'a server for the copy, if not that of the database')
    .action((target: string, _own, own: Command) => check(target, own.optsWithGlobals()));
}
