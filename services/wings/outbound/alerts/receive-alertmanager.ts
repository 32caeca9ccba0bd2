import { recordEvent } from '#services/core/audit/record-event.ts';
import type { Caller, Ports } from '#services/core/ports.ts';
import type { Severity } from '#services/core/security/incident-shapes.ts';
import { visibleText } from '#services/core/shared/visible-text.ts';
import { cutText } from '#services/platform/define/cut-text.ts';
import { type NewAlert, raiseAlertRows, resolveAlertRows } from './alerts.store.ts';
import { alertReported } from './audit-events.ts';
import type { ReportedAlert } from './contract.ts';

/** What rules of monitoring systems call the severity; any other is `medium`. */
const SEVERITY: Readonly<Record<string, Severity>> = {
  critical: 'critical',
  page: 'critical',
  error: 'high',
  high: 'high',
  warning: 'medium',
  ticket: 'medium',
  info: 'low',
  low: 'low',
};
const LABELS_MAX = 40;
const LABEL_CHARACTERS_MAX = 256;

/** Postgres stores neither NUL nor lone surrogates. */
const storable = (text: string, most: number): string =>
  cutText(visibleText(text.toWellFormed().replaceAll('\0', '')), most);

function alertOf({ random }: Pick<Ports, 'random'>, { labels, annotations, fingerprint }: ReportedAlert): NewAlert {
  const name = storable(labels.alertname ?? '', 128) || 'alert';
  const severity = SEVERITY[(labels.severity ?? '').toLowerCase()] ?? 'medium';
  const kept = Object.entries(labels)
    .slice(0, LABELS_MAX)
    .map(([label, value]) => [storable(label, 64), storable(value, LABEL_CHARACTERS_MAX)]);
  return {
    id: random.uuid(),
    source: 'alertmanager',
    cause: fingerprint,
    name,
    severity,
    summary: storable(annotations.summary ?? annotations.description ?? name, 1_024),
    // Ours last: a rule cannot name itself an incident.
    labels: { ...Object.fromEntries(kept), source: 'alertmanager', name, severity },
  };
}

export type Received = { readonly raised: number; readonly repeated: number; readonly resolved: number };

/** Names that an event lists. */
const NAMES_MAX = 20;
const namesOf = (names: readonly string[]): string[] => [...new Set(names)].sort().slice(0, NAMES_MAX);

/**
 * Takes alerts of Alertmanager. It repeats those that last: the same fingerprint is the same alert until it is resolved.
 * A delivery in which an alert begins or ends is one event; one that only repeats is none.
 */
export function receiveAlertmanager(
  { transact, random }: Pick<Ports, 'transact' | 'random'>,
  { alerts }: { readonly alerts: readonly ReportedAlert[] },
  caller: Caller,
): Promise<Received> {
  const firing = new Map(
    alerts.filter(({ status }) => status === 'firing').map((each) => [each.fingerprint, alertOf({ random }, each)]),
  );
  const ended = alerts.filter(({ status }) => status === 'resolved').map(({ fingerprint }) => fingerprint);
  return transact(async (tx) => {
    const raised = await raiseAlertRows(tx, [...firing.values()]);
    const resolved = await resolveAlertRows(tx, 'alertmanager', ended);
    const counts = { raised: raised.length, resolved: resolved.length };
    if (counts.raised + counts.resolved > 0) {
      const detail = { ...counts, firing: namesOf(raised), ended: namesOf(resolved) };
      await recordEvent(tx, caller, alertReported, { detail });
    }
    return { ...counts, repeated: firing.size - raised.length };
  });
}
