import type { z } from 'zod';
import { recordEvent } from '../audit/record-event.ts';
import { actorNameOf } from '../authority/names.ts';
import type { Caller, Ports } from '../ports.ts';
import { type Page, PLACE, pageOf, placeOfCursor } from '../shared/pagination.ts';
import { incidentChanged } from './audit-events.ts';
import type { incidentView } from './contract.ts';
import { incidentClosed, incidentUnknown } from './errors.ts';
import {
  changeIncidentRow,
  type IncidentFilter,
  type IncidentRow,
  lockIncident,
  readIncidentRow,
  readIncidentsPage,
} from './incidents.store.ts';

export type IncidentView = z.output<typeof incidentView>;

const viewOf = (row: IncidentRow): IncidentView => ({
  incident_id: row.id,
  detection: row.detection,
  severity: row.severity,
  subject: { kind: row.subjectKind, id: row.subjectId },
  state: row.state,
  count: row.count,
  first_seen_at: row.firstSeenAt,
  last_seen_at: row.lastSeenAt,
  detail: { ...row.detail },
  actions: [...row.actions],
  reason: row.reason,
  changed_at: row.changedAt,
  changed_by: row.changedBy,
});

/** Lists incidents, most recently seen first, one page at a time. Throws `cursor_invalid` (400). */
export async function listIncidents(
  { sql }: Pick<Ports, 'sql'>,
  input: IncidentFilter & { readonly limit: number; readonly cursor?: string | undefined },
): Promise<Page<IncidentView>> {
  const after = placeOfCursor(input.cursor, [PLACE.time, UUID]);
  const rows = await readIncidentsPage(sql, input, after, input.limit + 1);
  const { items, next } = pageOf(rows, input.limit, ({ lastSeenAt, id }) => [lastSeenAt, id]);
  return { items: items.map(viewOf), next };
}

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;

/** Throws `incident_unknown` (404). */
export async function readIncident({ sql }: Pick<Ports, 'sql'>, incidentId: string): Promise<IncidentView> {
  const row = await readIncidentRow(sql, incidentId);
  if (row === undefined) throw incidentUnknown();
  return viewOf(row);
}

export type IncidentChange = {
  readonly incidentId: string;
  readonly state: 'acknowledged' | 'closed';
  /** For the audit log. */
  readonly reason: string;
};

/** Acknowledges or closes an incident. Throws `incident_unknown` (404), `incident_closed` (409). */
export async function changeIncident(
  { transact }: Pick<Ports, 'transact'>,
  { incidentId, state, reason }: IncidentChange,
  caller: Caller,
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
    return viewOf(row);
  });
}
