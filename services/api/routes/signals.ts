import { answer } from '#services/core/shared/answer.ts';
import { receiveSignalEndpoint } from '#services/wings/outbound/signals/contract.ts';
import { type PollPorts, pollStream } from '#services/wings/outbound/signals/manage-streams.ts';
import { type ReceiveSignalPorts, receiveSignal } from '#services/wings/outbound/signals/receive-signal.ts';
import { ssfConfiguration } from '#services/wings/outbound/signals/ssf-configuration.ts';
import { pollStreamEndpoint, readSsfConfigurationEndpoint } from '#services/wings/outbound/signals/streams-contract.ts';
import { bind, type RouteContext } from '../bind.ts';
import type { CallerRecheck } from '../requests/recheck-caller.ts';

type StreamRoutesPorts = PollPorts & Parameters<typeof ssfConfiguration>[0] & { readonly recheckCaller: CallerRecheck };

/** How a receiver polls a stream of its own, and where streams are described. */
export function streamRoutes(routes: RouteContext, ports: StreamRoutesPorts): void {
  const mayPoll = ports.recheckCaller(pollStreamEndpoint);
  bind(routes, pollStreamEndpoint, ({ body, params }, caller, request) =>
    pollStream(ports, { ...body, ...params }, caller, () => mayPoll(request)),
  );
  bind(routes, readSsfConfigurationEndpoint, () => ssfConfiguration(ports));
}

/** Shared signals of others, and polled streams of our own. */
export function signalsRoutes(routes: RouteContext, ports: StreamRoutesPorts & ReceiveSignalPorts): void {
  streamRoutes(routes, ports);
  bind(routes, receiveSignalEndpoint, async ({ body }, caller) => {
    const refusal = await receiveSignal(ports, body, caller);
    return refusal === null ? undefined : answer(400, refusal);
  });
}
