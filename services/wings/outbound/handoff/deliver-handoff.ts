import { handoffCircuits, handoffDeliveries } from '#observability/metrics/handoff.ts';
import type { AuditEventView } from '#services/core/audit/read/event-view.ts';
import { readEvent } from '#services/core/audit/read/read-event.ts';
import { recordEvent } from '#services/core/audit/record-event.ts';
import type { Caller, Ports } from '#services/core/ports.ts';
import {
  ACCEPTED,
  attemptOf,
  DELIVERY_PACE,
  LEASE_SECONDS,
  type Subscription,
} from '#services/core/shared/send-batch.ts';
import type { HasTokenSettings } from '#services/core/tokens/token-settings.ts';
import { handoffGivenUp } from './audit-events.ts';
import {
  type DeliveryRow,
  deleteDelivery,
  endpointCircuit,
  giveBackDelivery,
  postponeDelivery,
  takeDeliveries,
} from './handoff.store.ts';
import { eventSubjectOf, planDeliveries } from './plan-deliveries.ts';
import { type SignHandoffPorts, signHandoff } from './sign-handoff.ts';

/** Events sent concurrently to an endpoint, each of another subject. */
const BATCH = 32;

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

/** Events to one endpoint: signed CloudEvents, or what the endpoint makes of them. */
export function handoffsTo(
  ports: PushHandoffPorts,
  endpoint: HandoffEndpoint,
  caller: Caller,
): Subscription<DeliveryRow> {
  const { name, url, requestOf } = endpoint;
  const { types, transport } = ports.handoff;
  return {
    pace: DELIVERY_PACE,
    batch: BATCH,
    receiver: {
      ...endpointCircuit(name),
      plan: (tx) => planDeliveries(tx, ports, { name, types }),
      countCircuit: (event) => handoffCircuits.add(1, { event }),
      fields: { endpoint: name },
      down: 'an endpoint of hand-offs is down; its events wait',
      up: 'an endpoint of hand-offs is up again',
    },
    claim: (tx, limit) => takeDeliveries(tx, name, limit, LEASE_SECONDS),
    prepare: () => ports.keyRing.load(),
    send: async ({ id, seq }, signal) => {
      const event = await readEvent(ports, seq);
      const request = await (requestOf?.(event, id) ?? cloudEventOf(ports, url, seq, event));
      return request === null ? ACCEPTED : attemptOf(await transport.post({ url, ...request }, signal));
    },
    accept: (row) => deleteDelivery(ports.sql, row),
    postpone: postponeDelivery,
    giveBack: giveBackDelivery,
    recordGivenUp: (tx, { seq, attempts }, code) =>
      recordEvent(tx, caller, handoffGivenUp, { outcome: 'given_up', detail: { endpoint: name, seq, code, attempts } }),
    count: (outcome) => handoffDeliveries.add(1, { outcome }),
    fieldsOf: ({ seq }) => ({ endpoint: name, seq }),
    failed: 'an event could not be handed off',
  };
}
