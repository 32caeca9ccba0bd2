import type { PortsOf } from '#services/domain/shared/operation.ts';
import { receiveSignalEndpoint } from '#services/domain/signals/contract.ts';
import { type PollPorts, pollStream } from '#services/domain/signals/manage-streams.ts';
import { signalStreamOperations, transmitterOperations } from '#services/domain/signals/operations.ts';
import { type ReceiveSignalPorts, receiveSignal } from '#services/domain/signals/receive-signal.ts';
import { ssfConfiguration } from '#services/domain/signals/ssf-configuration.ts';
import { streamOperations } from '#services/domain/signals/stream-operations.ts';
import { pollStreamEndpoint, readSsfConfigurationEndpoint } from '#services/domain/signals/streams-contract.ts';
import { answer } from '../answer.ts';
import { bind, type RouteContext } from '../bind.ts';
import { bindOperations } from '../bind-operations.ts';
import type { CallerRecheck } from '../requests/recheck-caller.ts';

/** Shared signals of others, and streams of our own. */
export function signalsRoutes(
  routes: RouteContext,
  ports: PortsOf<typeof transmitterOperations> &
    PortsOf<typeof signalStreamOperations> &
    PortsOf<typeof streamOperations> &
    PollPorts &
    ReceiveSignalPorts & { readonly recheckCaller: CallerRecheck },
): void {
  bindOperations(routes, transmitterOperations, ports);
  bindOperations(routes, signalStreamOperations, ports);
  bindOperations(routes, streamOperations, ports);
  const mayPoll = ports.recheckCaller(pollStreamEndpoint);
  bind(routes, pollStreamEndpoint, ({ body, params }, caller, request) =>
    pollStream(ports, { ...body, ...params }, caller, () => mayPoll(request)),
  );
  bind(routes, readSsfConfigurationEndpoint, () => ssfConfiguration(ports));
  bind(routes, receiveSignalEndpoint, async ({ body }, caller) => {
    const refusal = await receiveSignal(ports, body, caller);
    return refusal === null ? undefined : answer(400, refusal);
  });
}
