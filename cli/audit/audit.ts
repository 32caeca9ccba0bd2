import { setTimeout as sleep } from 'node:timers/promises';
import type { Command } from 'commander';
import { erasePersonal } from '#services/domain/audit/erase-personal.ts';
import type { AuditEventView } from '#services/domain/audit/read/event-view.ts';
import { followEvents, listEvents } from '#services/domain/audit/read/list-events.ts';
import { continueLog, planContinue } from '#services/domain/audit/seal/continue-log.ts';
import { isAppError } from '#services/platform/define/error.ts';
import { rehearsed } from '../admin.ts';
import { requireReason, wholeNumberOf } from '../arguments.ts';
import { confirm } from '../confirm.ts';
import { systemCaller } from '../database-ports.ts';
import { CommandError, exitCodes } from '../exit-codes.ts';
import { createOutput, type GlobalOptions, type Output } from '../output.ts';
import { registerAuditExport } from './export.ts';
import { type AuditPorts, withAuditLog } from './ports.ts';
import { registerAuditVerify } from './verify.ts';

const caller = systemCaller('sallyport audit');

/** `sallyport audit tail|verify|prove|export|report|continue|erase`, directly on the database. */
export function registerAudit(program: Command): void {
  const audit = program
    .command('audit')
    .description('read and verify the sealed audit log: tail, verify, prove, export, report, continue, erase');
  audit
    .command('tail')
    .description('show the newest events, in order')
    .option('-n, --lines <count>', 'how many, up to 100', '20')
    .option('--type <type>', 'events of this type only')
    .option('-f, --follow', 'continue with every event as it is sealed')
    .action((_own, command: Command) => {
      const options = command.optsWithGlobals<TailOptions>();
      return withAuditLog((ports) => tail(ports, createOutput(options), options));
    });
  registerAuditVerify(audit);
  registerAuditExport(audit);
  audit
    .command('continue')
    .description(
      'begin a new log after a restored backup lost events; its first event names the last signed head of the old log',
    )
    .requiredOption('--reason <text>', 'why, for the log')
    .action((_own, command: Command) => {
      const options = command.optsWithGlobals<GlobalOptions & { reason: string }>();
      return withAuditLog((ports) => goOn(ports, createOutput(options), options));
    });
  audit
    .command('erase')
    .description('erase the personal values of a user’s events; events and proofs stay valid')
    .argument('<user_id>')
    .action((userId: string, _own, command: Command) => {
      const options = command.optsWithGlobals<GlobalOptions>();
      return withAuditLog((ports) => erase(ports, createOutput(options), options, userId), { isHeldToMarks: true });
    });
}

type TailOptions = GlobalOptions & { readonly lines: string; readonly type?: string; readonly follow?: boolean };

const POLL_MS = 500;
const FOLLOW_PAGE = 500;

async function tail(ports: AuditPorts, output: Output, options: TailOptions): Promise<void> {
  const limit = wholeNumberOf('--lines', options.lines, 1, 100);
  // The position is read before the list, so that an event sealed in between is neither shown twice nor skipped.
  const [newest] = (await listEvents(ports, { limit: 1 })).events;
  const { events } = await listEvents(ports, { limit, type: options.type });
  const shown = events.reverse();
  if (!options.follow) return output.data({ events: shown }, () => shown.map(lineOf));
  const show = (event: AuditEventView): void => {
    if (options.type === undefined || event.type === options.type) output.data(event, () => [lineOf(event)]);
  };
  shown.forEach(show);
  await follow(ports, Math.max(newest?.seq ?? -1, shown.at(-1)?.seq ?? -1), show, output);
}

/** Runs until the process is stopped. Waits for an unreachable database. */
async function follow(
  ports: AuditPorts,
  afterSeq: number,
  show: (event: AuditEventView) => void,
  output: Output,
): Promise<void> {
  let isAway = false;
  for (let last = afterSeq; ; ) {
    try {
      const events = await followEvents(ports, last, FOLLOW_PAGE);
      events.forEach(show);
      last = events.at(-1)?.seq ?? last;
      isAway = false;
    } catch (err) {
      if (!isAppError(err) || !err.definition.retryable) throw err;
      if (!isAway) output.say('Postgres does not answer; retrying');
      isAway = true;
    }
    await sleep(POLL_MS);
  }
}

const lineOf = (event: AuditEventView): string =>
  [
    String(event.seq).padStart(8),
    event.occurred_at,
    event.type.padEnd(24),
    event.outcome.padEnd(9),
    `${event.actor.kind}${event.actor.id === null ? '' : `:${printable(event.actor.id)}`}`,
    ...(event.target ? [`-> ${event.target.kind}:${printable(event.target.id ?? '')}`] : []),
    ...(event.trace_id ? [`trace ${event.trace_id}`] : []),
  ].join('  ');

// Ids can be chosen by callers: control characters must not move the cursor or change colours.
const printable = (text: string): string => text.replaceAll(/[\p{Cc}\p{Cf}]/gu, '?');

async function goOn(ports: AuditPorts, output: Output, options: GlobalOptions & { reason: string }): Promise<void> {
  requireReason(options.reason);
  const loss = await planContinue(ports);
  if (loss === null) throw new CommandError(exitCodes.refused, 'the log has no loss to accept');
  const lines = [
    `held  ${loss.held.origin}  ${loss.held.size} events  ${loss.held.root}`,
    `lost  ${loss.lost.origin}  ${loss.lost.size} events  ${loss.lost.root}`,
  ];
  if (options.dryRun) {
    output.say('would close the log and begin a new one; nothing was done');
    return output.data(loss, () => lines);
  }
  for (const line of lines) output.say(line);
  if (!options.yes) await confirm('Accept the loss of the events in between, and begin a new log?');
  const { origin, firstSeq, held, lost } = await continueLog(ports, { reason: options.reason }, caller);
  output.say('sealing continues by itself; notify the verifiers that pin the log of its new name');
  output.data({ origin, first_seq: firstSeq, held, lost }, () => [`log   ${origin}  from event ${firstSeq}`]);
}

async function erase(ports: AuditPorts, output: Output, options: GlobalOptions, userId: string): Promise<void> {
  if (userId.length === 0 || userId.length > 255) throw new CommandError(exitCodes.usage, 'a user id is required');
  if (rehearsed(output, options, `erase the personal values of ${userId}`)) return;
  if (!options.yes) await confirm(`Erase the personal values of every event of ${userId}? This cannot be undone.`);
  const { values, unsealed } = await erasePersonal(ports, { subject: userId }, caller);
  output.data({ user_id: userId, values, unsealed }, () => [
    `erased  ${values} values; ${unsealed} of the events are not sealed yet`,
  ]);
}
