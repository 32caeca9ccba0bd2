import { recordEvent } from '../audit/record-event.ts';
import { actorNameOf } from '../authority/names.ts';
import type { Caller, Ports } from '../ports.ts';
import { PLACE, pageOf, placeOfCursor } from '../shared/pagination.ts';
import { incidentChanged } from './audit-events.ts';
import type { IncidentView } from './contract.ts';
import { incidentClosed, incidentUnknown } from './errors.ts';
import {
  changeIncidentRow,
  type IncidentFilter,
  lockIncident,
  readIncidentRow,
  readIncidentsPage,
} from './incidents.store.ts';

type ListIncidentsInput = Omit<IncidentFilter, 'subjectId'> & {
  readonly subject?: string | undefined;
  readonly limit: number;
  readonly cursor?: string | undefined;
};

/** Lists incidents, most recently seen first, one page at a time. Throws `cursor_invalid` (400). */
export async function listIncidents(
  { sql }: Pick<Ports, 'sql'>,
  { subject: subjectId, limit, cursor, ...filter }: ListIncidentsInput,
): Promise<{ readonly incidents: IncidentView[]; readonly next: string | null }> {
  const after = placeOfCursor(cursor, [PLACE.time, UUID]);
  const rows = await readIncidentsPage(sql, { ...filter, subjectId }, after, limit + 1);
  const { items, next } = pageOf(rows, limit, (row) => [row.last_seen_at, row.incident_id]);
  return { incidents: items, next };
}

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;

type OneIncident = { readonly incident_id: string };

/** Throws `incident_unknown` (404). */
export async function readIncident(
  { sql }: Pick<Ports, 'sql'>,
  { incident_id: incidentId }: OneIncident,
): Promise<IncidentView> {
  const row = await readIncidentRow(sql, incidentId);
  if (row === undefined) throw incidentUnknown();
  return row;
}

/** The reason is for the audit log. */
type Change = OneIncident & { readonly reason: string };

/** Marks an incident as being investigated. Throws `incident_unknown` (404), `incident_closed` (409). */
export const acknowledgeIncident = (
  ports: Pick<Ports, 'transact'>,
  input: Change,
  caller: Caller,
): Promise<IncidentView> => changeIncident(ports, input, caller, 'acknowledged');

/** Closes an incident: the next sighting raises a new one. Throws as above. */
export const closeIncident = (ports: Pick<Ports, 'transact'>, input: Change, caller: Caller): Promise<IncidentView> =>
  changeIncident(ports, input, caller, 'closed');

async function changeIncident(
  { transact }: Pick<Ports, 'transact'>,
  { incident_id: incidentId, reason }: Change,
  caller: Caller,
  state: 'acknowledged' | 'closed',
): Promise<IncidentView> {
  return transact(async (tx) => {
    const before = await lockIncident(tx, incidentId);
    if (before === undefined) throw incidentUnknown();
    if (before === 'closed') throw incidentClosed();
    const row = await changeIncidentRow(tx, { id: incidentId, state, reason, by: actorNameOf(caller) });
    await recordEvent(tx, caller, incidentChanged, {
      outcome: state,
      target: { kind: 'incident', id: incidentId },
      detail: { detection: row.detection, reason },
    });
    return row;
  });
}
