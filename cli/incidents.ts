import { type Command, Option } from 'commander';
import { INCIDENT_STATES, SEVERITIES } from '../services/domain/security/incident-shapes.ts';
import {
  changeIncident,
  type IncidentView,
  listIncidents,
  readIncident,
} from '../services/domain/security/manage-incidents.ts';
import { isAppError } from '../services/platform/define/error.ts';
import { confirm } from './confirm.ts';
import { type DatabasePorts, systemCaller, withDatabase } from './database-ports.ts';
import { CommandError, exitCodes } from './exit-codes.ts';
import { createOutput, type GlobalOptions, type Output } from './output.ts';

const caller = systemCaller('sallyport incidents');
const limitMax = 100;
const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;

type Options = GlobalOptions & {
  readonly state?: string;
  readonly severity?: string;
  readonly limit: string;
  readonly reason: string;
};

/** `sallyport incidents list|show|close`, directly on the database. */
export function registerIncidents(program: Command): void {
  const incidents = program.command('incidents').description('security incidents: list, show, close');
  incidents
    .command('list')
    .description('the one seen last first')
    .addOption(new Option('--state <state>', 'only these').choices(INCIDENT_STATES))
    .addOption(new Option('--severity <severity>', 'only these').choices(SEVERITIES))
    .option('-n, --limit <count>', `how many at most, up to ${limitMax}`, '20')
    .action((_own, command: Command) => run(command, list));
  incidents
    .command('show')
    .description('one incident with all that is known of it')
    .argument('<incident_id>')
    .action((id: string, _own, command: Command) => run(command, (ports, output) => show(ports, output, id)));
  incidents
    .command('close')
    .description('close an incident; the next sighting raises another')
    .argument('<incident_id>')
    .requiredOption('--reason <text>', 'why, for the audit log')
    .action((id: string, _own, command: Command) =>
      run(command, (ports, output, options) => close(ports, output, options, id)),
    );
}

async function run(
  command: Command,
  work: (ports: DatabasePorts, output: Output, options: Options) => Promise<void>,
): Promise<void> {
  const options = command.optsWithGlobals<Options>();
  try {
    await withDatabase((ports) => work(ports, createOutput(options), options));
  } catch (err) {
    throw asCommandError(err);
  }
}

async function list(ports: DatabasePorts, output: Output, options: Options): Promise<void> {
  const limit = Number(options.limit);
  if (!Number.isInteger(limit) || limit < 1 || limit > limitMax)
    throw new CommandError(exitCodes.usage, `--limit takes a whole number from 1 to ${limitMax}`);
  const { items, next } = await listIncidents(ports, { limit, state: options.state, severity: options.severity });
  if (next !== null) output.say('there are more: narrow it down, or raise --limit');
  output.data({ incidents: items, next }, ({ incidents }) => incidents.map(line));
}

async function show(ports: DatabasePorts, output: Output, id: string): Promise<void> {
  const incident = await readIncident(ports, requireId(id));
  output.data(incident, (shown) => [line(shown), JSON.stringify(shown, null, 2)]);
}

async function close(ports: DatabasePorts, output: Output, options: Options, id: string): Promise<void> {
  requireReason(options.reason);
  const incident = await readIncident(ports, requireId(id));
  if (options.dryRun) return output.say(`would close the ${incident.state} incident ${id}; nothing was done`);
  if (!options.yes) await confirm(`Close ${incident.detection} of ${incident.subject.kind} ${incident.subject.id}?`);
  const closed = await changeIncident(ports, { incidentId: id, state: 'closed', reason: options.reason }, caller);
  output.data(closed, (shown) => [line(shown)]);
}

const line = (incident: IncidentView): string =>
  [
    incident.last_seen_at,
    incident.state.padEnd(12),
    incident.severity.padEnd(8),
    incident.detection.padEnd(21),
    `${incident.count}x`,
    `${incident.subject.kind} ${incident.subject.id}`,
    incident.incident_id,
  ].join('  ');

function requireId(id: string): string {
  if (!UUID.test(id)) throw new CommandError(exitCodes.usage, 'that is no incident id', 'sallyport incidents list');
  return id;
}

export function requireReason(reason: string): void {
  if (reason.length === 0 || reason.length > 256)
    throw new CommandError(exitCodes.usage, '--reason takes 1 to 256 characters');
}

export function asCommandError(err: unknown): unknown {
  if (!isAppError(err)) return err;
  const code = err.definition.status === 503 ? exitCodes.unreachable : exitCodes.checkFailed;
  return new CommandError(code, err.definition.title, err.definition.fix, { cause: err });
}
