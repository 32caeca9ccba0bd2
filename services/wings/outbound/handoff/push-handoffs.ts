import type { Caller, Fence } from '#services/core/ports.ts';
import { allEnded, sendDue } from '#services/core/shared/send-batch.ts';
import { handoffsTo, type PushHandoffPorts } from './deliver-handoff.ts';

export { handoffsAreDue } from './handoff.store.ts';

/**
 * Pushes the sealed events of the configured types to each endpoint, until none is due, `signal` aborts or the time of a
 * run is over. Events of one subject are sent in the order of the log, each after the one before was accepted or given
 * up. A failed one is retried with growing pauses. An endpoint that fails three times in a row gets one event in at most
 * a minute until it accepts one, and then all that waited. Delivery is at least once, with the same id in each attempt.
 */
export async function pushHandoffs(
  ports: PushHandoffPorts,
  run: { readonly fence: Fence; readonly signal: AbortSignal },
  caller: Caller,
): Promise<{ readonly taken: number }> {
  const { endpoints } = ports.handoff;
  const taken = await allEnded(endpoints.map((endpoint) => sendDue(ports, handoffsTo(ports, endpoint, caller), run)));
  return { taken: taken.reduce((sum, each) => sum + each, 0) };
}
