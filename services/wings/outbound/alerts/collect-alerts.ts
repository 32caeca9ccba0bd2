import { applicationDeclared, applicationDeleted } from '#services/core/access/audit-events.ts';
import type { AuditEventView } from '#services/core/audit/read/event-view.ts';
import { followEventsOf, newestEventSeq } from '#services/core/audit/read/list-events.ts';
import type { Fence, Ports, Tx } from '#services/core/ports.ts';
import { incidentChanged, incidentRaised } from '#services/core/security/audit-events.ts';
import { detections } from '#services/core/security/detections.ts';
import { SEVERITIES } from '#services/core/security/incident-shapes.ts';
import { cutText } from '#services/platform/define/cut-text.ts';
import {
  acknowledgeAlertRows,
  advanceProgress,
  beginProgress,
  lockProgress,
  type NewAlert,
  raiseAlertRows,
  resolveAlertRows,
  resolveSilenceAlerts,
} from './alerts.store.ts';
import { alertSilenced, alertTargetChanged } from './audit-events.ts';
import type { HasAlerts } from './deliver-alert.ts';

const TYPES = [
  incidentRaised.type,
  incidentChanged.type,
  alertSilenced.type,
  alertTargetChanged.type,
  applicationDeclared.type,
  applicationDeleted.type,
];
const PAGE = 500;

const severityOf = (given: unknown): NewAlert['severity'] => SEVERITIES.find((known) => known === given) ?? 'high';

/** What was seen, without the subject: a message says which incident it is, and who may read incidents reads the rest there. */
function ofIncident({ random }: Pick<Ports, 'random'>, { target, detail }: AuditEventView): NewAlert {
  const name = cutText(String(detail.detection), 128);
  const severity = severityOf(detail.severity);
  const incidentId = String(target?.id);
  const meaning = detections.find((detection) => detection.name === name)?.meaning;
  const which = `incident ${incidentId} about a ${String(detail.subject)}`;
  return {
    id: random.uuid(),
    source: 'incident',
    cause: incidentId,
    name,
    severity,
    summary: cutText(meaning === undefined ? which : `${meaning} It is ${which}`, 1_024),
    labels: { source: 'incident', name, severity, incident_id: incidentId },
  };
}

/** What the module of an event says of alerts. */
async function followRule(
  tx: Tx,
  { random, alerts }: Pick<Ports, 'random'> & Pick<HasAlerts, 'alerts'>,
  event: AuditEventView,
): Promise<void> {
  const rule = alerts.rules.find(({ type }) => type === event.type);
  const effect = rule?.effectOf(event);
  if (rule === undefined || effect === undefined) return;
  const { source } = rule;
  const name = cutText(effect.name, 128);
  if (effect.raises === null) return void (await resolveAlertRows(tx, source, [name]));
  const summary = cutText(effect.raises, 1_024);
  const labels = { source, name, severity: 'high' };
  await raiseAlertRows(tx, [{ id: random.uuid(), source, cause: name, name, severity: 'high', summary, labels }]);
}

const actorOf = ({ actor }: AuditEventView): string => (actor.id === null ? actor.kind : `${actor.kind}:${actor.id}`);

/** What one person did to the oversight, in one sentence; undefined if it is not weaker than before. */
function weakened(event: AuditEventView): Pick<NewAlert, 'cause' | 'name' | 'summary'> | undefined {
  const { type, outcome, target, detail } = event;
  if (type === alertSilenced.type) {
    if (outcome !== 'begun') return undefined;
    const [cause, matchers] = [String(detail.silence_id), String(detail.matchers)];
    return {
      cause,
      name: 'alerts-silenced',
      summary: `${actorOf(event)} silenced alerts with ${matchers} until ${String(detail.until)}`,
    };
  }
  if (type === alertTargetChanged.type) {
    const changed = String(detail.changed);
    if (outcome === 'created' || changed === '') return undefined;
    const act = outcome === 'removed' ? outcome : `changed ${changed} of`;
    return {
      cause: `${String(detail.target_id)} ${event.seq}`,
      name: 'alert-target-changed',
      summary: `${actorOf(event)} ${act} the alert target ${String(detail.name)}`,
    };
  }
  if (!Array.isArray(detail.lowered)) return undefined;
  const cause = `${String(target?.id)} ${event.seq}`;
  const acts = detail.lowered.join(', ');
  return {
    cause,
    name: 'signoff-policy-lowered',
    summary: `${actorOf(event)} lowered or removed the policy of sign-off for ${acts} of the application ${String(target?.id)}`,
  };
}

async function followOversight(tx: Tx, { random }: Pick<Ports, 'random'>, event: AuditEventView): Promise<void> {
  const found = weakened(event);
  if (found === undefined) return;
  const labels = { source: 'oversight', name: found.name, severity: 'high' };
  const summary = cutText(found.summary, 1_024);
  await raiseAlertRows(tx, [{ ...found, summary, id: random.uuid(), source: 'oversight', severity: 'high', labels }]);
}

async function followIncident(tx: Tx, event: AuditEventView): Promise<void> {
  const causes = [String(event.target?.id)];
  if (event.outcome === 'closed') await resolveAlertRows(tx, 'incident', causes);
  else await acknowledgeAlertRows(tx, 'incident', causes, actorOf(event));
}

/**
 * Makes alerts of what was sealed since the last run: incidents, controls that turned red, and what weakens the oversight,
 * with their ends. Each event
 * counts once, even with several workers and crashes: its effect commits with the new place in the log. The first run
 * begins at the end of the log.
 */
export async function collectAlerts(
  ports: Pick<Ports, 'transact' | 'random'> & Pick<HasAlerts, 'alerts'>,
  { fence, signal }: { readonly fence: Fence; readonly signal: AbortSignal },
): Promise<number> {
  let read = 0;
  for (let isMore = true; isMore && !signal.aborted; ) {
    const taken = await ports.transact(async (tx) => {
      await fence.hold(tx);
      return collectPage(tx, ports);
    });
    read += taken;
    isMore = taken === PAGE;
  }
  return read;
}

async function collectPage(tx: Tx, ports: Pick<Ports, 'random'> & Pick<HasAlerts, 'alerts'>): Promise<number> {
  const after = await lockProgress(tx);
  await resolveSilenceAlerts(tx);
  if (after === undefined) {
    await beginProgress(tx, await newestEventSeq({ sql: tx }));
    return 0;
  }
  const types = [...TYPES, ...ports.alerts.rules.map(({ type }) => type)];
  const { events, reachedSeq } = await followEventsOf({ sql: tx }, types, after, PAGE);
  if (reachedSeq === after) return 0;
  const raised = events.filter(({ type }) => type === incidentRaised.type);
  // An incident is raised before it changes, and only once: all at once first.
  await raiseAlertRows(
    tx,
    raised.map((event) => ofIncident(ports, event)),
  );
  for (const event of events) {
    if (event.type === incidentChanged.type) await followIncident(tx, event);
    await followRule(tx, ports, event);
    await followOversight(tx, ports, event);
  }
  await advanceProgress(tx, reachedSeq);
  return events.length;
}
