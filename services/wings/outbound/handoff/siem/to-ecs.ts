import type { AuditEventView } from '#services/core/audit/read/event-view.ts';
import { siemEventOf, siemOutcomeOf } from './siem-events.ts';
import type { SiemSource } from './to-ocsf.ts';

const ECS_VERSION = '9.4.0';

const idOf = (value: unknown): string | undefined => (typeof value === 'string' && value !== '' ? value : undefined);

/** In ECS the acting user is at the top, and another user that the act concerns is `user.target`. */
function usersOf({ actor, target, detail }: AuditEventView): Readonly<Record<string, unknown>> {
  const acting = actor.kind === 'user' ? idOf(actor.id) : undefined;
  const concerned = target?.kind === 'user' ? idOf(target.id) : idOf(detail.user_id);
  const ids = [...new Set([acting, concerned].filter((id) => id !== undefined))];
  if (ids.length === 0) return {};
  const isOther = acting !== undefined && concerned !== undefined && acting !== concerned;
  return {
    user: { id: acting ?? concerned, ...(isOther ? { target: { id: concerned } } : {}) },
    related: { user: ids },
  };
}

/**
 * A sealed event as a document of the Elastic Common Schema. It has what the leaf has, and of the values behind its
 * commitments the names of things and ids. What ECS has no field for is below `sallyport`.
 * https://www.elastic.co/docs/reference/ecs
 */
export function toEcs(event: AuditEventView, source: SiemSource): Readonly<Record<string, unknown>> {
  const { ecs, severity, isMetric, ocsf } = siemEventOf(event.type);
  const isAlert = ocsf.class === 'detectionFinding' && ocsf.activity === 'Create';
  return {
    '@timestamp': event.occurred_at,
    ecs: { version: ECS_VERSION },
    message: `${event.type}: ${event.outcome}`,
    event: {
      id: event.event_id,
      sequence: event.seq,
      kind: isMetric ? 'metric' : isAlert ? 'alert' : 'event',
      category: [ecs.category],
      type: ecs.category === 'iam' && ecs.type === 'user' ? ['user', 'change'] : [ecs.type],
      action: event.type,
      outcome: siemOutcomeOf(event.outcome),
      severity,
      created: event.sealed_at,
      module: 'sallyport',
      dataset: 'sallyport.audit',
      provider: 'sallyport',
    },
    service: { name: 'sallyport', type: 'sallyport', id: source.issuer, version: source.version },
    ...usersOf(event),
    ...(event.trace_id === null ? {} : { trace: { id: event.trace_id } }),
    sallyport: {
      outcome: event.outcome,
      actor: event.actor,
      target: event.target,
      client_id: event.client_id,
      detail: event.detail,
      ...(event.altered ? { altered: true } : {}),
    },
  };
}
