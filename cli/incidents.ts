import { type Command, Option } from 'commander';
import { INCIDENT_STATES, SEVERITIES } from '../services/domain/security/incident-shapes.ts';
import {
  changeIncident,
  type IncidentView,
  listIncidents,
  readIncident,
} from '../services/domain/security/manage-incidents.ts';
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
import { uuidOf } from './arguments.ts';
import { systemCaller } from './database-ports.ts';
import type { GlobalOptions } from './output.ts';

const caller = systemCaller('sallyport incidents');
const listing = 'sallyport incidents list';

type Filters = ListOptions & { readonly state?: string; readonly severity?: string };

/** `sallyport incidents list|show|acknowledge|close`, directly on the database. */
export function registerIncidents(program: Command): void {
  const incidents = program.command('incidents').description('security incidents: list, show, acknowledge, close');
  addPage(incidents.command('list'))
    .description('the one seen last first')
    .addOption(new Option('--state <state>', 'only these').choices(INCIDENT_STATES))
    .addOption(new Option('--severity <severity>', 'only these').choices(SEVERITIES))
    .action((_own, command: Command) =>
      onDatabase<Filters>(command, async (ports, output, options) => {
        const { state, severity } = options;
        const found = await listIncidents(ports, { ...pageOf(options), state, severity });
        listPage(output, 'incidents', found, line);
      }),
    );
  incidents
    .command('show')
    .description('one incident with all that is known of it')
    .argument('<incident_id>')
    .action((id: string, _own, command: Command) =>
      onDatabase<GlobalOptions>(command, async (ports, output) => {
        const incident = await readIncident(ports, uuidOf(id, listing));
        output.data(incident, (shown) => [line(shown), JSON.stringify(shown, null, 2)]);
      }),
    );
  for (const [verb, state, description] of [
    ['acknowledge', 'acknowledged', 'say that somebody looks into an incident; further sightings count on it'],
    ['close', 'closed', 'close an incident; the next sighting raises another'],
  ] as const)
    addReason(incidents.command(verb))
      .description(description)
      .argument('<incident_id>')
      .action((id: string, _own, command: Command) =>
        onDatabase<ActOptions>(command, async (ports, output, options) => {
          const { detection, subject } = await readIncident(ports, uuidOf(id, listing));
          const act = () => changeIncident(ports, { incidentId: id, state, reason: options.reason }, caller);
          const what = `${verb} ${detection} of ${subject.kind} ${subject.id}`;
          await actAsked(output, options, what, act, (shown) => [line(shown)]);
        }),
      );
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
