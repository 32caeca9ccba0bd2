import type { Command } from 'commander';
import {
  holdOperations,
  policyLine,
  retentionOperations,
  runLine,
} from '#services/wings/privacy/retention/operations.ts';
import {
  readOverdueRecords,
  requestRetentionRun,
  setRetentionPolicy,
} from '#services/wings/privacy/retention/retention.ts';
import { RETENTION_KINDS, type RetentionKind } from '#services/wings/privacy/retention/retention-shapes.ts';
import { type ActOptions, actAsked, addReason, noNotices, onDatabase } from '../admin.ts';
import { requireReason, wholeNumberOf } from '../arguments.ts';
import { CommandError, exitCodes } from '../exit-codes.ts';
import { registerOperations } from '../operations.ts';
import { caller } from './common.ts';

const DAYS_MAX = 36_500;

export function registerRetention(program: Command, privacy: Command): void {
  privacy.command('holds').description('keep every record of a person: list, place, end');
  registerOperations(program, holdOperations);
  const retention = privacy
    .command('retention')
    .description('decide how long records are kept, and remove what is overdue: show, set, run');
  registerOperations(program, retentionOperations);
  addReason(retention.command('set'))
    .description('set how many days a kind of record is kept, or "always"')
    .argument('<kind>', RETENTION_KINDS.join(', '))
    .argument('<days>')
    .action((asked: string, days: string, _own, command: Command) =>
      onDatabase<ActOptions>(command, async (ports, output, options) => {
        const kind = kindOf(asked);
        const keepDays = days === 'always' ? null : wholeNumberOf('<days>', days, 1, DAYS_MAX);
        const act = () => setRetentionPolicy(ports, { kind, keep_days: keepDays, reason: options.reason }, caller);
        const what = keepDays === null ? `keep ${kind} for good` : `keep ${kind} for ${keepDays} days`;
        await actAsked(output, options, what, act, (row) => [policyLine(row)]);
      }),
    );
  addReason(retention.command('run'))
    .description('request that a worker removes what is overdue; --dry-run counts it and changes nothing')
    .action((_own, command: Command) =>
      onDatabase<ActOptions>(command, async (ports, output, options) => {
        requireReason(options.reason);
        const asked = { dry_run: false, reason: options.reason };
        const act = () => requestRetentionRun({ ...ports, ...noNotices }, asked, caller);
        if (options.dryRun) {
          await act();
          const due = (await readOverdueRecords(ports, 0)).map(({ kind, overdue }) => [kind, overdue] as const);
          output.say(`would remove ${due.reduce((sum, [, count]) => sum + count, 0)} records; nothing was done`);
          output.data({ dry_run: true, counts: Object.fromEntries(due) }, () =>
            due.map(([kind, count]) => `${kind.padEnd(20)}  ${count}`),
          );
          return;
        }
        await actAsked(output, options, 'remove every record that is overdue', act, (row) => [runLine(row)]);
      }),
    );
}

/** @throws CommandError (2) that lists the kinds */
function kindOf(text: string): RetentionKind {
  const found = RETENTION_KINDS.find((kind) => kind === text);
  if (found === undefined)
    throw new CommandError(
      exitCodes.usage,
      `<kind> is one of ${RETENTION_KINDS.join(', ')}`,
      'sallyport privacy retention show',
    );
  return found;
}
