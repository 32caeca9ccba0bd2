import { type DetectionName, incidentsRaised } from '#observability/metrics/security.ts';
import { auditRow } from '../audit/record-event.ts';
import type { Caller, Ports, Sql } from '../ports.ts';
import { incidentRaised } from './audit-events.ts';
import type { Detection } from './detections.ts';
import type { Subject } from './incident-shapes.ts';
import { type Raised, upsertIncident } from './incidents.store.ts';

export type Sighting = {
  readonly target: Subject;
  /** Ids, codes and counts; no secret, address or name. Kept with the incident, later members over earlier ones. */
  readonly detail?: Readonly<Record<string, unknown>>;
};

/**
 * Raises an incident, or counts one more sighting of the one that is open for this detection and subject. One
 * statement, the audit row of a new incident included: pass a transaction to tie it to the change it is about.
 * Acting on it is `actOn`'s business.
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
      // Who it is about is personal: committed to, and not in the public log.
      ...(isHash ? { identifier: target.id } : { [`${target.kind}_id`]: target.id }),
    },
  });
  const raised = await upsertIncident(
    sql,
    { id: random.uuid(), detection: name, severity, subject: target, detail },
    audited,
  );
  if (raised.isNew) incidentsRaised.add(1, { detection: name, severity });
  return raised;
}
