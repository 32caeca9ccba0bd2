import { streamAuthorizationContext } from '#services/core/keys/secrets/sealed-contexts.ts';
import type { Caller, Fence, Ports } from '#services/core/ports.ts';
import type { HandoffEndpoint, HandoffTransport, PushHandoffPorts } from '../handoff/deliver-handoff.ts';
import { pushHandoffs } from '../handoff/push-handoffs.ts';
import { SIGNAL_TYPES } from './caep-events.ts';
import { queueOf, type SignSignalPorts, signSignal } from './sign-signal.ts';
import { readPushedStreams, type StreamRow } from './streams.store.ts';

export { signalsAreDue } from './streams.store.ts';

type PushSignalsPorts = Omit<PushHandoffPorts, 'handoff'> &
  SignSignalPorts &
  Pick<Ports, 'vault'> & { readonly signals: { readonly transport: HandoffTransport } };

const endpointOf = (ports: PushSignalsPorts, stream: StreamRow): HandoffEndpoint => ({
  name: queueOf(stream),
  url: stream.endpoint_url ?? '',
  requestOf: async (event, id) => {
    const body = await signSignal(ports, stream, event, id);
    if (body === null) return null;
    const { sealed_authorization: sealed } = stream;
    const authorization: Record<string, string> =
      sealed === null
        ? {}
        : { authorization: ports.vault.open(sealed, streamAuthorizationContext(stream.id)).toString() };
    return {
      headers: { 'content-type': 'application/secevent+jwt', accept: 'application/json', ...authorization },
      body,
    };
  },
});

/**
 * Pushes shared signals to the streams that are enabled (RFC 8935), by the queue of hand-offs: in order for each user, at
 * least once, and all that waited when a receiver is up again.
 */
export async function pushSignals(
  ports: PushSignalsPorts,
  run: { readonly fence: Fence; readonly signal: AbortSignal },
  caller: Caller,
): Promise<{ readonly taken: number }> {
  const endpoints = (await readPushedStreams(ports.sql)).map((stream) => endpointOf(ports, stream));
  const handoff = { endpoints, types: SIGNAL_TYPES, transport: ports.signals.transport };
  return pushHandoffs({ ...ports, handoff }, run, caller);
}
