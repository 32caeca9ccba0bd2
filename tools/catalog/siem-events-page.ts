import type { AuditEvent } from '#services/platform/define/audit-event.ts';
import {
  OCSF_CLASSES,
  SIEM_EVENTS,
  siemEventOf,
  siemOutcomeOf,
} from '#services/wings/outbound/handoff/siem/siem-events.ts';
import { page, table } from './pages.ts';

/** What the export makes of each type of audit event. Throws if a type has no line in `siem-events.ts`, or a line no type. */
export function siemEventsPage(events: readonly AuditEvent[]): string {
  const types = new Set(events.map(({ type }) => type));
  const missing = [...types].filter((type) => SIEM_EVENTS[type] === undefined);
  const left = Object.keys(SIEM_EVENTS).filter((type) => !types.has(type));
  if (missing.length > 0)
    throw new Error(`add to SIEM_EVENTS (services/wings/outbound/handoff/siem/siem-events.ts): ${missing.join(', ')}`);
  if (left.length > 0) throw new Error(`SIEM_EVENTS has types that no module declares: ${left.join(', ')}`);
  return page(
    'Audit events in a SIEM',
    'What the [export](../how-to/export-to-a-siem.md) makes of each type of [audit event](audit-events.md), in OCSF 1.5.0 and in the Elastic Common Schema. Severity is 1 (informational) to 5 (critical). The outcome of the event becomes `status_id` and `event.outcome`; its own word is in `status` and `sallyport.outcome`.',
    table(
      ['type', 'OCSF class', 'activity', '`event.category`', '`event.type`', 'severity', 'failures'],
      events.map(({ type, outcomes }) => {
        const { ocsf, ecs, severity } = siemEventOf(type);
        const failures = outcomes.filter((outcome) => siemOutcomeOf(outcome) === 'failure');
        return [
          `\`${type}\``,
          `${OCSF_CLASSES[ocsf.class].uid}`,
          ocsf.activity,
          ecs.category,
          ecs.type,
          `${severity}`,
          failures.map((outcome) => `\`${outcome}\``).join(' '),
        ];
      }),
    ),
  );
}
