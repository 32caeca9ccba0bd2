import type { AuditEventView } from '#services/core/audit/read/event-view.ts';
import { OCSF_CLASSES, siemEventOf, siemOutcomeOf } from './siem-events.ts';

export type SiemSource = { readonly issuer: string; readonly version: string };

type Json = Readonly<Record<string, unknown>>;

const OCSF_VERSION = '1.5.0';
const STATUS = { unknown: 0, success: 1, failure: 2 } as const;
/** Of a finding: new, in progress, resolved. */
const FINDING_STATUS: Readonly<Record<string, number>> = {
  closed: 4,
  resolved: 4,
  pass: 4,
  acknowledged: 2,
  assigned: 2,
};
const CONTROL_STATUS: Readonly<Record<string, number>> = { pass: 1, fail: 3, unknown: 0 };
const UNDISCLOSED = { name: 'undisclosed', type_id: 0, type: 'Unknown' };

const textOf = (value: unknown): string | undefined => (typeof value === 'string' && value !== '' ? value : undefined);
const millisecondsOf = (time: string): number => Date.parse(time);

const userById = (uid: string): Json => ({ uid, type_id: 1, type: 'User' });

/** The user that the event is about, else its client. The log may hide both. */
function userOf({ target, detail, actor, client_id: clientId }: AuditEventView): Json {
  const id = [
    target?.kind === 'user' ? target.id : undefined,
    detail.user_id,
    actor.kind === 'user' ? actor.id : undefined,
  ].find((each) => textOf(each) !== undefined);
  if (id !== undefined) return userById(String(id));
  const client = clientId ?? (target?.kind === 'client' ? target.id : null);
  return client === null ? UNDISCLOSED : { uid: client, type_id: 99, type: 'Client' };
}

function actorOf({ actor, client_id: clientId, detail }: AuditEventView): Json {
  const session = textOf(detail.session_id);
  return {
    ...(actor.kind === 'user' && actor.id !== null ? { user: userById(actor.id) } : {}),
    app_name: actor.kind,
    ...(clientId === null ? {} : { app_uid: clientId }),
    ...(actor.kind !== 'user' && actor.id !== null ? { invoked_by: actor.id } : {}),
    ...(session === undefined ? {} : { session: { uid: session } }),
  };
}

const entityOf = ({ target }: AuditEventView): Json =>
  target === null
    ? { name: 'sallyport', type: 'installation', type_id: 99 }
    : { uid: target.id ?? 'undisclosed', type: target.kind, type_id: target.kind === 'user' ? 2 : 99 };

function privilegesOf({ detail }: AuditEventView): readonly string[] {
  const named = [detail.role, detail.scope].flatMap((each) => textOf(each)?.split(' ') ?? []);
  return named.length === 0 ? ['undisclosed'] : named;
}

const findingOf = ({ type, event_id: id, target, occurred_at: at, detail }: AuditEventView): Json => ({
  uid: target?.kind === 'incident' ? target.id : id,
  title: textOf(detail.detection) ?? type,
  types: [type],
  created_time: millisecondsOf(at),
});

/** Members of a class besides those of every event. */
function membersOf(event: AuditEventView, { issuer }: SiemSource): Json {
  const finding = { finding_info: findingOf(event), status_id: FINDING_STATUS[event.outcome] ?? 1 };
  switch (siemEventOf(event.type).ocsf.class) {
    case 'authentication':
      return { user: userOf(event), actor: actorOf(event), service: { name: 'Sallyport', uid: issuer } };
    case 'accountChange':
      return { user: userOf(event), actor: actorOf(event) };
    case 'userAccess':
      return { user: userOf(event), actor: actorOf(event), privileges: privilegesOf(event) };
    case 'entityManagement':
      return { entity: entityOf(event), actor: actorOf(event) };
    case 'apiActivity':
      // The log has no address of a caller in clear; the class requires a member that says where it came from.
      return {
        actor: actorOf(event),
        api: { operation: event.type, service: { name: 'Sallyport', uid: issuer } },
        src_endpoint: { name: 'undisclosed', ...(event.client_id === null ? {} : { svc_name: event.client_id }) },
      };
    case 'detectionFinding':
      return { ...finding, is_alert: siemEventOf(event.type).ocsf.activity === 'Create' };
    case 'complianceFinding':
      return {
        ...finding,
        compliance: { control: event.target?.id ?? event.type, status_id: CONTROL_STATUS[event.outcome] ?? 99 },
      };
    case 'applicationLifecycle':
      return { app: { name: 'Sallyport', uid: issuer } };
    case 'base':
      return {};
  }
}

/**
 * A sealed event as OCSF 1.5.0. It has what the leaf has, and of the values behind its commitments
 * the names of things and ids.
 * https://schema.ocsf.io/1.5.0
 */
export function toOcsf(event: AuditEventView, source: SiemSource): Json {
  const { ocsf, severity } = siemEventOf(event.type);
  const { uid, category, activities } = OCSF_CLASSES[ocsf.class];
  const activity = (activities as Readonly<Record<string, number>>)[ocsf.activity] as number;
  const correlation = event.trace_id === null ? {} : { correlation_uid: event.trace_id };
  return {
    metadata: {
      version: OCSF_VERSION,
      product: { name: 'Sallyport', vendor_name: 'Sallyport', version: source.version },
      uid: event.event_id,
      sequence: event.seq,
      event_code: event.type,
      log_name: 'audit',
      log_provider: source.issuer,
      logged_time: millisecondsOf(event.sealed_at),
      original_time: event.occurred_at,
      ...correlation,
    },
    time: millisecondsOf(event.occurred_at),
    category_uid: category,
    class_uid: uid,
    activity_id: activity,
    activity_name: ocsf.activity,
    type_uid: uid * 100 + activity,
    severity_id: severity,
    status_id: STATUS[siemOutcomeOf(event.outcome)],
    status: event.outcome,
    message: `${event.type}: ${event.outcome}`,
    ...membersOf(event, source),
    unmapped: {
      actor: event.actor,
      target: event.target,
      detail: event.detail,
      ...(event.altered ? { altered: true } : {}),
    },
  };
}
