import { type Command, Option } from 'commander';
import { detections } from '../services/domain/security/detections.ts';
import { INCIDENT_STATES, SEVERITIES } from '../services/domain/security/incident-shapes.ts';
import {
  changeIncident,
  type IncidentView,
  listIncidents,
  readIncident,
} from '../services/domain/security/manage-incidents.ts';
import { listUnjudged, retryEvent, type UnjudgedView } from '../services/domain/security/retry-unjudged.ts';
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
import type { GlobalOptions } from './output.ts';

const caller = systemCaller('sallyport incidents');
const LISTING = 'sallyport incidents list';

type Filters = ListOptions & {
  readonly state?: string;
  readonly severity?: string;
  readonly detection?: string;
  readonly subject?: string;
};

/** `sallyport incidents list|show|unjudged|retry|acknowledge|close`, directly on the database. */
export function registerIncidents(program: Command): void {
  const incidents = program.command('incidents');
  addPage(incidents.command('list'))
    .description('list incidents, most recently seen first')
    .addOption(new Option('--state <state>', 'only incidents with this value').choices(INCIDENT_STATES))
    .addOption(new Option('--severity <severity>', 'only incidents with this value').choices(SEVERITIES))
    .addOption(
      new Option('--detection <name>', 'only incidents with this value').choices(detections.map(({ name }) => name)),
    )
    .option('--subject <id>', 'only incidents of this user, client or keyed hash')
    .action((_own, command: Command) =>
      onDatabase<Filters>(command, async (ports, output, options) => {
        const { state, severity, detection, subject: subjectId } = options;
        const found = await listIncidents(ports, { ...pageOf(options), state, severity, detection, subjectId });
        listPage(output, 'incidents', found, line);
      }),
    );
  incidents
    .command('show')
    .description('show one incident with all details')
    .argument('<incident_id>')
    .action((id: string, _own, command: Command) =>
      onDatabase<GlobalOptions>(command, async (ports, output) => {
        const incident = await readIncident(ports, uuidOf(id, LISTING));
        output.data(incident, (shown) => [line(shown), JSON.stringify(shown, null, 2)]);
      }),
    );
  addPage(incidents.command('unjudged'))
    .description('list events that detections could not evaluate, oldest first; they wait for a retry or are set aside')
    .action((_own, command: Command) =>
      onDatabase<ListOptions>(command, async (ports, output, options) => {
        listPage(output, 'events', await listUnjudged(ports, pageOf(options)), unjudgedLine);
      }),
    );
  addReason(incidents.command('retry'))
    .description('evaluate again an event that was set aside')
    .argument('<seq>')
    .action((asked: string, _own, command: Command) =>
      onDatabase<ActOptions>(command, async (ports, output, options) => {
        const seq = wholeNumberOf('<seq>', asked, 0, Number.MAX_SAFE_INTEGER);
        const act = () => retryEvent(ports, { seq, reason: options.reason }, caller);
        await actAsked(output, options, `evaluate event ${seq} again`, act, () => [
          `event ${seq} will be evaluated within seconds`,
        ]);
      }),
    );
  for (const [verb, state, description] of [
    ['acknowledge', 'acknowledged', 'mark an incident as being investigated; further sightings are added to it'],
    ['close', 'closed', 'close an incident; the next sighting raises a new one'],
  ] as const)
    addReason(incidents.command(verb))
      .description(description)
      .argument('<incident_id>')
      .action((id: string, _own, command: Command) =>
        onDatabase<ActOptions>(command, async (ports, output, options) => {
          const { detection, subject } = await readIncident(ports, uuidOf(id, LISTING));
          const act = () => changeIncident(ports, { incidentId: id, state, reason: options.reason }, caller);
          const what = `${verb} ${detection} of ${subject.kind} ${subject.id}`;
          await actAsked(output, options, what, act, (shown) => [line(shown)]);
        }),
      );
}

const unjudgedLine = ({ seq, type, tries, failure, failed_at, next_try_at }: UnjudgedView): string =>
  `${failed_at}  ${String(seq).padEnd(9)}  ${type.padEnd(24)}  ${tries}x ${failure}  ${next_try_at === null ? 'set aside' : `next try ${next_try_at}`}`;

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
