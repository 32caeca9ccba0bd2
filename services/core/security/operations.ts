import { operation } from '../shared/operation.ts';
import type { IncidentView } from './contract.ts';
import {
  acknowledgeIncidentEndpoint,
  closeIncidentEndpoint,
  listIncidentsEndpoint,
  readIncidentEndpoint,
} from './contract.ts';
import { actions, detections } from './detections.ts';
import { acknowledgeIncident, closeIncident, listIncidents, readIncident } from './manage-incidents.ts';

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
const textsOf = new Map<string, { readonly effect: string; readonly undo: string }>(Object.entries(actions));
/** What was seen, what each action did and how it is undone. */
const why = ({ detection, actions: ran }: IncidentView): string[] => [
  ...detections.filter(({ name }) => name === detection).map(({ meaning }) => meaning),
  ...ran.flatMap((action) => {
    const texts = textsOf.get(action);
    return texts === undefined ? [] : [`${action}: ${texts.effect}`, `  undo: ${texts.undo}`];
  }),
];
const ofSubject = ({ detection, subject }: IncidentView): string => `${detection} of ${subject.kind} ${subject.id}`;
const WITH_THIS = 'only incidents with this value';

export const incidentOperations = [
  operation(listIncidentsEndpoint, listIncidents, {
    verb: 'incidents list',
    help: 'list incidents, most recently seen first',
    options: {
      state: { flags: '--state <state>', help: WITH_THIS },
      severity: { flags: '--severity <severity>', help: WITH_THIS },
      detection: { flags: '--detection <name>', help: WITH_THIS, choices: detections.map(({ name }) => name) },
      subject: { flags: '--subject <id>', help: 'only incidents of this user, client or keyed hash' },
    },
    line,
  }),
  operation(readIncidentEndpoint, readIncident, {
    verb: 'incidents show <incident_id>',
    help: 'show one incident: what was seen, what was done, how to undo it, all details',
    lines: (incident) => [line(incident), ...why(incident), JSON.stringify(incident, null, 2)],
  }),
  operation(acknowledgeIncidentEndpoint, acknowledgeIncident, {
    verb: 'incidents acknowledge <incident_id>',
    help: 'mark an incident as being investigated; further sightings are added to it',
    about: readIncident,
    asks: (_input, about: IncidentView) => `acknowledge ${ofSubject(about)}`,
    lines: (incident) => [line(incident)],
  }),
  operation(closeIncidentEndpoint, closeIncident, {
    verb: 'incidents close <incident_id>',
    help: 'close an incident; the next sighting raises a new one',
    about: readIncident,
    asks: (_input, about: IncidentView) => `close ${ofSubject(about)}`,
    lines: (incident) => [line(incident)],
  }),
];
