import type { Caller, Fence } from '#services/core/ports.ts';
import { allEnded } from '#services/core/shared/all-ended.ts';
import { type HandoffEndpoint, handoffsTo, type PushHandoffPorts } from './deliver-handoff.ts';
import { sendBatch } from './send-batch.ts';

export { handoffsAreDue } from './handoff.store.ts';

/** Half the time limit of the job: what is left then is sent by the next run. */
const RUN_MS = 60_000;

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
  const taken = await allEnded(ports.handoff.endpoints.map((endpoint) => pushTo(ports, endpoint, run, caller)));
  return { taken: taken.reduce((sum, each) => sum + each, 0) };
}

async function pushTo(
  ports: PushHandoffPorts,
  endpoint: HandoffEndpoint,
  run: { readonly fence: Fence; readonly signal: AbortSignal },
  caller: Caller,
): Promise<number> {
  const subscription = handoffsTo(ports, endpoint, caller);
  const startedAt = ports.clock.monotonic();
  let taken = 0;
  while (!run.signal.aborted && ports.clock.monotonic() - startedAt < RUN_MS) {
    const batch = await sendBatch(ports, subscription, run);
    if (batch === 0) break;
    taken += batch;
  }
  return taken;
}
