import type { PortsOf } from '#services/core/shared/operation.ts';
import { receiveSignalEndpoint } from '#services/wings/outbound/signals/contract.ts';
import { type PollPorts, pollStream } from '#services/wings/outbound/signals/manage-streams.ts';
import { signalStreamOperations, transmitterOperations } from '#services/wings/outbound/signals/operations.ts';
import { type ReceiveSignalPorts, receiveSignal } from '#services/wings/outbound/signals/receive-signal.ts';
import { ssfConfiguration } from '#services/wings/outbound/signals/ssf-configuration.ts';
import { streamOperations } from '#services/wings/outbound/signals/stream-operations.ts';
import { pollStreamEndpoint, readSsfConfigurationEndpoint } from '#services/wings/outbound/signals/streams-contract.ts';
import { answer } from '../answer.ts';
import { bind, type RouteContext } from '../bind.ts';
import { bindOperations } from '../bind-operations.ts';
import type { CallerRecheck } from '../requests/recheck-caller.ts';

type StreamRoutesPorts = PortsOf<typeof streamOperations> & PollPorts & { readonly recheckCaller: CallerRecheck };

/** What a receiver uses: streams of its own, and where they are described. */
export function streamRoutes(routes: RouteContext, ports: StreamRoutesPorts): void {
  bindOperations(routes, streamOperations, ports);
  const mayPoll = ports.recheckCaller(pollStreamEndpoint);
  bind(routes, pollStreamEndpoint, ({ body, params }, caller, request) =>
    pollStream(ports, { ...body, ...params }, caller, () => mayPoll(request)),
  );
  bind(routes, readSsfConfigurationEndpoint, () => ssfConfiguration(ports));
}

/** Shared signals of others, and streams of our own. */
export function signalsRoutes(
  routes: RouteContext,
  ports: PortsOf<typeof transmitterOperations> &
    PortsOf<typeof signalStreamOperations> &
    StreamRoutesPorts &
    ReceiveSignalPorts,
): void {
  bindOperations(routes, transmitterOperations, ports);
  bindOperations(routes, signalStreamOperations, ports);
  streamRoutes(routes, ports);
  bind(routes, receiveSignalEndpoint, async ({ body }, caller) => {
    const refusal = await receiveSignal(ports, body, caller);
    return refusal === null ? undefined : answer(400, refusal);
  });
}
