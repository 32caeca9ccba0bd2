import { type Command, Option } from 'commander';
import { VIOLATION_STATES, type ViolationState } from '../services/domain/compliance/control-shapes.ts';
import type { ViolationView } from '../services/domain/compliance/manage-violations.ts';
import { acknowledgeViolation, listViolations } from '../services/domain/compliance/manage-violations.ts';
import {
  type ActOptions,
  actAsked,
  addPage,
  addReason,
  type ListOptions,
  listPage,
  onDatabase,
  pageOf,
} from './admin.ts';
import { uuidOf, wholeNumberOf } from './arguments.ts';
import { systemCaller } from './database-ports.ts';

const caller = systemCaller('sallyport violations');
const LISTING = 'sallyport violations list';

type Filters = ListOptions & { readonly state?: ViolationState };

/** `sallyport violations list|acknowledge`, directly on the database. */
export function registerViolations(program: Command): void {
  const violations = program.command('violations');
  addPage(violations.command('list'))
    .description('list violations, newest first, with the events that are not acknowledged')
    .addOption(new Option('--state <state>', 'only violations with this value').choices(VIOLATION_STATES))
    .action((_own, command: Command) =>
      onDatabase<Filters>(command, async (ports, output, options) => {
        const found = await listViolations(ports, { ...pageOf(options), state: options.state });
        listPage(output, 'violations', found, line);
      }),
    );
  addReason(violations.command('acknowledge'))
    .description('acknowledge the events that a violation names; the next check resolves it')
    .argument('<violation_id>')
    .requiredOption('--through <seq>', 'the last event that you have seen; later ones stay open')
    .action((asked: string, _own, command: Command) =>
      onDatabase<ActOptions & { readonly through: string }>(command, async (ports, output, options) => {
        const violationId = uuidOf(asked, LISTING);
        const throughSeq = wholeNumberOf('--through', options.through, 0, Number.MAX_SAFE_INTEGER);
        const act = () => acknowledgeViolation(ports, { violationId, throughSeq, reason: options.reason }, caller);
        const what = `acknowledge the events of violation ${violationId} up to ${throughSeq}`;
        await actAsked(output, options, what, act, (view) => [line(view)]);
      }),
    );
}

const line = ({ violation_id: id, control_id: control, state, events }: ViolationView): string =>
  [id, state.padEnd(8), control, ...(events === null ? [] : [eventsLine(events)])].join('  ');

const eventsLine = ({ unacknowledged, last_seq: last, first }: NonNullable<ViolationView['events']>): string =>
  `${unacknowledged} unacknowledged up to ${last}: ${first.map(({ seq, type }) => `${seq} ${type}`).join(', ')}`;
