import { type DetectionName, incidentsRaised } from '#observability/metrics/security.ts';
import type { EventDetail } from '#services/platform/define/audit-event.ts';
import { auditRow } from '../audit/record-event.ts';
import type { Caller, Ports, Sql } from '../ports.ts';
import { incidentRaised } from './audit-events.ts';
import type { Detection } from './detections.ts';
import type { IncidentSubject } from './incident-shapes.ts';
import { type Raised, upsertIncident } from './incidents.store.ts';

type SubjectId = Pick<EventDetail<typeof incidentRaised>, 'user_id' | 'client_id' | 'installation_id'>;

type Sighting = {
  readonly target: IncidentSubject;
  /** Ids, codes and counts; no secret, address or name. Stored with the incident; later members overwrite earlier ones. */
  readonly detail?: Readonly<Record<string, unknown>>;
};

/**
 * Raises an incident, or counts one more sighting of the open one for this detection and subject. It is one statement,
 * including the audit row of a new incident; pass a transaction to commit it together with the change it is about.
 * `actOn` runs the actions.
 * @example await raiseIncident(tx, ports, caller, tokenReplay, { target: { kind: 'user', id }, detail: { jti } })
 */
export async function raiseIncident(
  sql: Sql,
  { random }: Pick<Ports, 'random'>,
  caller: Caller,
  detection: Detection & { readonly name: DetectionName },
  { target, detail = {} }: Sighting,
): Promise<Raised> {
  const { name, severity } = detection;
  const isHash = target.kind === 'identifier' || target.kind === 'network';
  const audited = auditRow(caller, incidentRaised, {
    outcome: 'open',
    detail: {
      detection: name,
      severity,
      subject: target.kind,
      // The subject is personal data: the log contains a commitment to it, not the value.
      ...(isHash ? { identifier: target.id } : ({ [`${target.kind}_id`]: target.id } as SubjectId)),
    },
  });
  const raised = await upsertIncident(
    sql,
    { id: random.uuid(), detection: name, severity, subject: target, detail },
    audited,
  );
  if (raised.is_new) incidentsRaised.add(1, { detection: name, severity });
  return raised;
}
