import { setTimeout as sleep } from 'node:timers/promises';
import type { Command } from 'commander';
import { listAuditEventsEndpoint } from '#services/core/audit/contract.ts';
import { plainSentence } from '#services/core/audit/read/event-sentences.ts';
import type { AuditEventView } from '#services/core/audit/read/event-view.ts';
import { fitsFilter, followEvents, type ListEventsInput, listEvents } from '#services/core/audit/read/list-events.ts';
import { findUserId } from '#services/core/identity/users/find-user-id.ts';
import { isAppError } from '#services/platform/define/error.ts';
import { checked, wholeNumberOf } from '../arguments.ts';
import { createOutput, type GlobalOptions, type Output } from '../output.ts';
import { type AuditPorts, withAuditLog } from './ports.ts';

type TailOptions = GlobalOptions &
  Pick<ListEventsInput, 'type' | 'outcome' | 'actor' | 'target' | 'client' | 'trace'> & {
    readonly lines: string;
    readonly follow?: boolean;
  };

export const registerAuditTail = (audit: Command): Command =>
  audit
    .command('tail')
    .description('show the newest events, in order')
    .option('-n, --lines <count>', 'how many, up to 100', '20')
    .option('--type <type>', 'events of this type only')
    .option('--outcome <outcome>', 'events with this outcome only, such as refused')
    .option('--actor <actor>', 'events of this actor only: an e-mail address, a user id, or kind:id such as client:web')
    .option('--target <target>', 'events about this target only: the same')
    .option('--client <client_id>', 'events of this client only')
    .option('--trace <trace_id>', 'events of the request with this trace id only')
    .option('-f, --follow', 'continue with every event as it is sealed')
    .action((_own, command: Command) => {
      const options = command.optsWithGlobals<TailOptions>();
      return withAuditLog((ports) => tail(ports, createOutput(options), options));
    });

/** An address or id without kind names a user. */
async function partyOf(ports: AuditPorts, text: string | undefined): Promise<string | undefined> {
  if (text === undefined || (text.includes(':') && !text.includes('@'))) return text;
  return `user:${await findUserId(ports, text)}`;
}

async function filtersOf(ports: AuditPorts, { type, outcome, actor, target, client, trace }: TailOptions) {
  const [by, about] = [await partyOf(ports, actor), await partyOf(ports, target)];
  return checked({ body: listAuditEventsEndpoint.query }, { type, outcome, actor: by, target: about, client, trace });
}

const POLL_MS = 500;
const FOLLOW_PAGE = 500;

async function tail(ports: AuditPorts, output: Output, options: TailOptions): Promise<void> {
  const limit = wholeNumberOf('--lines', options.lines, 1, 100);
  const filters = await filtersOf(ports, options);
  // The position is read before the list, so that an event sealed in between is neither shown twice nor skipped.
  const [newest] = (await listEvents(ports, { limit: 1 })).events;
  const { events } = await listEvents(ports, { ...filters, limit });
  const shown = events.reverse();
  if (!options.follow) return output.data({ events: shown }, () => shown.map(lineOf));
  const show = (event: AuditEventView): void => {
    if (fitsFilter(event, filters)) output.data(event, () => [lineOf(event)]);
  };
  for (const event of shown) output.data(event, () => [lineOf(event)]);
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

function lineOf(event: AuditEventView): string {
  const sentence = plainSentence(event);
  return [
    String(event.seq).padStart(8),
    event.occurred_at,
    event.type.padEnd(24),
    event.outcome.padEnd(9),
    `${event.actor.kind}${event.actor.id === null ? '' : `:${printable(event.actor.id)}`}`,
    ...(event.target ? [`-> ${event.target.kind}:${printable(event.target.id ?? '')}`] : []),
    ...(sentence === undefined ? [] : [printable(sentence)]),
    ...(event.trace_id ? [`trace ${event.trace_id}`] : []),
    ...(event.altered ? ['ALTERED: the stored row differs; run sallyport audit verify'] : []),
  ].join('  ');
}

// Ids can be chosen by callers: control characters must not move the cursor or change colours.
const printable = (text: string): string => text.replaceAll(/[\p{Cc}\p{Cf}]/gu, '?');
