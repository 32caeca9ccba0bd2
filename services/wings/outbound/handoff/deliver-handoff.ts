import { handoffDeliveries } from '#observability/metrics/handoff.ts';
import type { AuditEventView } from '#services/core/audit/read/event-view.ts';
import { readEvent } from '#services/core/audit/read/read-event.ts';
import { recordEvent } from '#services/core/audit/record-event.ts';
import type { Caller, Ports } from '#services/core/ports.ts';
import {
  DELIVERY_PACE,
  type DeliveryOutcome,
  type DeliveryPace,
  isLastAttempt,
  messagePauseSeconds,
  outcomeOfStatus,
} from '#services/core/shared/delivery-circuit.ts';
import type { HasTokenSettings } from '#services/core/tokens/token-settings.ts';
import { errorCodeOf } from '#services/platform/define/error-code.ts';
import { handoffGivenUp } from './audit-events.ts';
import { type DeliveryRow, deleteDelivery, postponeDelivery } from './handoff.store.ts';
import { eventSubjectOf } from './plan-deliveries.ts';
import { type SignHandoffPorts, signHandoff } from './sign-handoff.ts';

type HandoffRequest = { readonly headers: Readonly<Record<string, string>>; readonly body: string };

export type HandoffEndpoint = {
  readonly name: string;
  readonly url: string;
  /** The request for an event, as `deliveryId`; null if there is nothing to send. A signed CloudEvent by default. */
  readonly requestOf?: (event: AuditEventView, deliveryId: string) => Promise<HandoffRequest | null>;
};

export type HandoffTransport = {
  /** Sends a request and returns the HTTP status. Rejects if the address is not reachable or not allowed. */
  post(
    request: { readonly url: string; readonly headers: Readonly<Record<string, string>>; readonly body: string },
    signal: AbortSignal,
  ): Promise<number>;
};

export type HasHandoff = {
  readonly handoff: {
    readonly endpoints: readonly HandoffEndpoint[];
    readonly types: readonly string[];
    readonly transport: HandoffTransport;
    readonly pace?: DeliveryPace;
  };
  readonly tokenSettings: Pick<HasTokenSettings['tokenSettings'], 'issuer' | 'accessTokenSeconds'>;
};

export type PushHandoffPorts = Pick<Ports, 'transact' | 'sql' | 'clock' | 'random' | 'log'> &
  SignHandoffPorts &
  HasHandoff;

/** The event as a CloudEvent (CloudEvents 1.0, JSON). Without its detail, which may hold personal data. */
async function cloudEventOf(
  ports: PushHandoffPorts,
  url: string,
  seq: number,
  event: AuditEventView,
): Promise<HandoffRequest> {
  const { kind, id } = eventSubjectOf(event);
  const body = JSON.stringify({
    specversion: '1.0',
    id: event.event_id,
    source: ports.tokenSettings.issuer,
    type: event.type,
    subject: `${kind}:${id}`,
    time: event.occurred_at,
    datacontenttype: 'application/json',
    data: { seq, outcome: event.outcome, trace_id: event.trace_id },
  });
  return { headers: await signHandoff(ports, { url, eventId: event.event_id, body }), body };
}

async function send(
  ports: PushHandoffPorts,
  { url, requestOf }: HandoffEndpoint,
  { id, seq }: DeliveryRow,
  signal: AbortSignal,
): Promise<{ readonly outcome: DeliveryOutcome; readonly code: string }> {
  try {
    const event = await readEvent(ports, seq);
    const request = await (requestOf?.(event, id) ?? cloudEventOf(ports, url, seq, event));
    if (request === null) return { outcome: 'accepted', code: '' };
    const status = await ports.handoff.transport.post({ url, ...request }, signal);
    return { outcome: outcomeOfStatus(status), code: `http_${status}` };
  } catch (err) {
    return { outcome: 'unreachable', code: errorCodeOf(err) };
  }
}

/** Makes one attempt to send one event, and stores how it ended. */
export async function deliverHandoff(
  ports: PushHandoffPorts,
  endpoint: HandoffEndpoint,
  row: DeliveryRow,
  { signal, caller }: { readonly signal: AbortSignal; readonly caller: Caller },
): Promise<DeliveryOutcome> {
  const { name } = endpoint;
  const { seq, attempts } = row;
  const { outcome, code } = await send(ports, endpoint, row, signal);
  if (outcome === 'accepted') {
    await deleteDelivery(ports.sql, row);
    handoffDeliveries.add(1, { outcome: 'sent' });
    return outcome;
  }
  const fields = { endpoint: name, seq, failure: code, attempt: attempts };
  if (!isLastAttempt(outcome, row)) {
    const pause = messagePauseSeconds(ports, attempts, ports.handoff.pace ?? DELIVERY_PACE);
    await postponeDelivery(ports.sql, row, code, pause);
    handoffDeliveries.add(1, { outcome: 'retried' });
    ports.log.warn(fields, 'an event could not be handed off; retrying');
    return outcome;
  }
  await ports.transact(async (tx) => {
    if (!(await postponeDelivery(tx, row, code, null))) return;
    const detail = { endpoint: name, seq, code, attempts };
    await recordEvent(tx, caller, handoffGivenUp, { outcome: 'given_up', detail });
  });
  handoffDeliveries.add(1, { outcome: 'given_up' });
  ports.log.error(fields, 'an event could not be handed off; giving up');
  return outcome;
}
