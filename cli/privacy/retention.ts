import type { Command } from 'commander';
import { endHold, type LegalHoldView, listHolds, placeHold } from '#services/domain/privacy/retention/legal-holds.ts';
import {
  type RetentionPolicyView,
  type RetentionRunView,
  readOverdueRecords,
  readRetention,
  requestRetentionRun,
  setRetentionPolicy,
} from '#services/domain/privacy/retention/retention.ts';
import { RETENTION_KINDS, type RetentionKind } from '#services/domain/privacy/retention/retention-shapes.ts';
import { type ActOptions, actAsked, addReason, onDatabase } from '../admin.ts';
import { requireReason, uuidOf, wholeNumberOf } from '../arguments.ts';
import { CommandError, exitCodes } from '../exit-codes.ts';
import { caller, subjectOf, unwoken } from './common.ts';

const DAYS_MAX = 36_500;

/** `sallyport privacy holds|retention`. */
export function registerRetention(privacy: Command): void {
  registerHolds(privacy.command('holds').description('keep every record of a person: list, place, end'));
  const retention = privacy
    .command('retention')
    .description('decide how long records are kept, and remove what is overdue: show, set, run');
  retention
    .command('show')
    .description('show how long each kind of record is kept, and the last runs with their counts')
    .action((_own, command: Command) =>
      onDatabase(command, async (ports, output) =>
        output.data(await readRetention(ports), ({ policies, runs }) => [
          ...policies.map(policyLine),
          ...runs.map(runLine),
        ]),
      ),
    );
  addReason(retention.command('set'))
    .description('set how many days a kind of record is kept, or "always"')
    .argument('<kind>', RETENTION_KINDS.join(', '))
    .argument('<days>')
    .action((asked: string, days: string, _own, command: Command) =>
      onDatabase<ActOptions>(command, async (ports, output, options) => {
        const kind = kindOf(asked);
        const keepDays = days === 'always' ? null : wholeNumberOf('<days>', days, 1, DAYS_MAX);
        const act = () => setRetentionPolicy(ports, { kind, keepDays, reason: options.reason }, caller);
        const what = keepDays === null ? `keep ${kind} for good` : `keep ${kind} for ${keepDays} days`;
        await actAsked(output, options, what, act, (row) => [policyLine(row)]);
      }),
    );
  addReason(retention.command('run'))
    .description('request that a worker removes what is overdue; --dry-run counts it and changes nothing')
    .action((_own, command: Command) =>
      onDatabase<ActOptions>(command, async (ports, output, options) => {
        requireReason(options.reason);
        if (options.dryRun) {
          const due = (await readOverdueRecords(ports, 0)).map(({ kind, overdue }) => [kind, overdue] as const);
          output.say(`would remove ${due.reduce((sum, [, count]) => sum + count, 0)} records; nothing was done`);
          output.data({ dry_run: true, counts: Object.fromEntries(due) }, () =>
            due.map(([kind, count]) => `${kind.padEnd(20)}  ${count}`),
          );
          return;
        }
        const asked = { isDryRun: false, reason: options.reason };
        const act = () => requestRetentionRun({ ...ports, ...unwoken }, asked, caller);
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

function registerHolds(holds: Command): void {
  holds
    .command('list')
    .description('list the legal holds on the records of a person, newest first')
    .argument('<subject_id>')
    .action((subject: string, _own, command: Command) =>
      onDatabase(command, async (ports, output) => {
        const found = await listHolds(ports, { subjectId: subjectOf(subject) });
        output.data({ holds: found }, (shown) => shown.holds.map(holdLine));
      }),
    );
  addReason(holds.command('place'))
    .description('add a legal hold, which keeps every record of a person whatever the policies say')
    .argument('<subject_id>')
    .action((subject: string, _own, command: Command) =>
      onDatabase<ActOptions>(command, async (ports, output, options) => {
        const subjectId = subjectOf(subject);
        const act = () => placeHold(ports, { subjectId, reason: options.reason }, caller);
        await actAsked(output, options, `keep every record of ${subjectId}`, act, (row) => [holdLine(row)]);
      }),
    );
  addReason(holds.command('end'))
    .description('end a legal hold')
    .argument('<subject_id>')
    .argument('<hold_id>')
    .action((subject: string, asked: string, _own, command: Command) =>
      onDatabase<ActOptions>(command, async (ports, output, options) => {
        const subjectId = subjectOf(subject);
        const holdId = uuidOf(asked, `sallyport privacy holds list ${subjectId}`);
        const act = () => endHold(ports, { subjectId, holdId, reason: options.reason }, caller);
        await actAsked(output, options, `end the legal hold ${holdId}`, act, (row) => [holdLine(row)]);
      }),
    );
}

const policyLine = ({ kind, keep_days, least_days }: RetentionPolicyView): string =>
  `${kind.padEnd(20)}  ${keep_days === null ? 'kept for good' : `${keep_days} days`}${least_days === null ? '' : `  at least ${least_days}`}`;
const runLine = (row: RetentionRunView): string =>
  [
    row.created_at,
    row.run_id,
    row.dry_run ? 'dry run' : 'run',
    row.state,
    Object.entries(row.counts ?? {})
      .filter(([, count]) => count > 0)
      .map(([kind, count]) => `${kind} ${count}`)
      .join(', '),
  ].join('  ');
const holdLine = (row: LegalHoldView): string =>
  [
    row.hold_id,
    row.subject_id,
    `since ${row.created_at}`,
    row.ended_at === null ? 'in effect' : `ended ${row.ended_at}`,
  ].join('  ');
