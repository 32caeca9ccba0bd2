import { handoffCircuits } from '#observability/metrics/handoff.ts';
import type { Caller, Fence } from '#services/core/ports.ts';
import { allEnded } from '#services/core/shared/all-ended.ts';
import { DELIVERY_PACE, OPENS_AFTER, openPauseSeconds } from '#services/core/shared/delivery-circuit.ts';
import { deliverHandoff, type HandoffEndpoint, type PushHandoffPorts } from './deliver-handoff.ts';
import { failEndpoint, hastenDeliveries, recoverEndpoint, takeDeliveries } from './handoff.store.ts';
import { planDeliveries } from './plan-deliveries.ts';

export { handoffsAreDue } from './handoff.store.ts';

/** Half the time limit of the job: what is left then is sent by the next run. */
const RUN_MS = 60_000;
/** Events sent concurrently to an endpoint, each of another subject. */
const BATCH = 32;

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
  const startedAt = ports.clock.monotonic();
  let taken = 0;
  while (!run.signal.aborted && ports.clock.monotonic() - startedAt < RUN_MS) {
    const batch = await pushBatch(ports, endpoint, run, caller);
    if (batch === 0) break;
    taken += batch;
  }
  return taken;
}

async function pushBatch(
  ports: PushHandoffPorts,
  endpoint: HandoffEndpoint,
  { fence, signal }: { readonly fence: Fence; readonly signal: AbortSignal },
  caller: Caller,
): Promise<number> {
  const { name } = endpoint;
  const { types, pace = DELIVERY_PACE } = ports.handoff;
  const { rows, failures } = await ports.transact(async (tx) => {
    await fence.hold(tx);
    const { isOpen, failures: before } = await planDeliveries(tx, ports, { name, types });
    const limit = before >= OPENS_AFTER ? 1 : BATCH;
    return { failures: before, rows: isOpen ? [] : await takeDeliveries(tx, name, limit, pace.leaseSeconds) };
  });
  if (rows.length === 0) return 0;
  await ports.keyRing.load();
  const ends = await allEnded(rows.map((row) => deliverHandoff(ports, endpoint, row, { signal, caller })));
  if (ends.every((end) => end === 'unreachable')) await fail(ports, name, failures + 1);
  else if (failures > 0) await recover(ports, name, failures);
  return rows.length;
}

async function fail(ports: PushHandoffPorts, name: string, failures: number): Promise<void> {
  await failEndpoint(ports.sql, name, openPauseSeconds(ports, failures, ports.handoff.pace ?? DELIVERY_PACE));
  if (failures !== OPENS_AFTER) return;
  handoffCircuits.add(1, { event: 'opened' });
  ports.log.error({ endpoint: name }, 'an endpoint of hand-offs is down; its events wait');
}

async function recover(ports: PushHandoffPorts, name: string, failures: number): Promise<void> {
  if (!(await recoverEndpoint(ports.sql, name)) || failures < OPENS_AFTER) return;
  await hastenDeliveries(ports.sql, name);
  handoffCircuits.add(1, { event: 'closed' });
  ports.log.info({ endpoint: name }, 'an endpoint of hand-offs is up again');
}
