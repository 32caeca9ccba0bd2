import { alertCircuits, alertNotices } from '#observability/metrics/alerts.ts';
import type { Caller, Fence, Tx } from '#services/core/ports.ts';
import { allEnded } from '#services/core/shared/all-ended.ts';
import { OPENS_AFTER, openPauseSeconds } from '#services/core/shared/delivery-circuit.ts';
import { ALL_GROUPS } from './alert-shapes.ts';
import { collectAlerts } from './collect-alerts.ts';
import { type AlertPace, deliverAlert, paceOf, type SendAlertsPorts } from './deliver-alert.ts';
import {
  closeAlerts,
  countRecent,
  type DeliveryRow,
  hastenDeliveries,
  insertDelivery,
  planNotices,
  readGroups,
  takeDeliveries,
} from './notices.store.ts';
import { dropLastWords, failTarget, readTargets, recoverTarget, type TargetRow } from './targets.store.ts';

export { alertsAreDue } from './alerts.store.ts';

/** Messages sent concurrently to a target, each of another group. */
const BATCH = 10;

type Run = { readonly fence: Fence; readonly signal: AbortSignal };

/**
 * Makes alerts of new incidents and red controls, decides who is told of what, and sends it. A target gets one message for
 * each group of alerts and half minute, and at most ten a minute: what does not fit is one message with the counts. The
 * messages of a group are sent in order, each after the one before was accepted or given up. Delivery is at least once,
 * with the same id in each attempt. A target that fails three times in a row gets one message in at most a minute until it
 * accepts one, and then all that waited.
 */
export async function sendAlerts(
  ports: SendAlertsPorts,
  run: Run,
  caller: Caller,
): Promise<{ readonly read: number; readonly planned: number; readonly taken: number }> {
  const read = await collectAlerts(ports, run);
  const targets = await readTargets(ports.sql);
  let planned = 0;
  for (const target of targets)
    planned += await ports.transact(async (tx) => {
      await run.fence.hold(tx);
      return planNotices(tx, target);
    });
  if (planned > 0) alertNotices.add(planned);
  await ports.transact(async (tx) => {
    await run.fence.hold(tx);
    await closeAlerts(tx);
    await dropLastWords(tx);
  });
  const taken = await allEnded(targets.map((target) => sendTo(ports, target, run, caller)));
  return { read, planned, taken: taken.reduce((sum, each) => sum + each, 0) };
}

/** Groups what waits into messages, as many as the target may get now. */
async function makeMessages(
  tx: Tx,
  { random }: Pick<SendAlertsPorts, 'random'>,
  { id: targetId }: TargetRow,
  { groupSeconds, messagesPerMinute }: AlertPace,
): Promise<void> {
  const groups = await readGroups(tx, targetId, groupSeconds);
  if (groups.length === 0) return;
  const room = messagesPerMinute - (await countRecent(tx, targetId));
  if (room <= 0) return;
  const own = groups.length <= room ? groups : groups.slice(0, room - 1);
  for (const grouped of own) await insertDelivery(tx, { id: random.uuid(), targetId, grouped }, [grouped]);
  const rest = groups.slice(own.length);
  if (rest.length > 0) await insertDelivery(tx, { id: random.uuid(), targetId, grouped: ALL_GROUPS }, rest);
}

async function sendTo(ports: SendAlertsPorts, target: TargetRow, run: Run, caller: Caller): Promise<number> {
  const pace = paceOf(ports);
  const rows = await ports.transact(async (tx): Promise<DeliveryRow[]> => {
    await run.fence.hold(tx);
    // A message to a target that is down would keep what comes meanwhile out of it.
    if (target.is_open) return [];
    await makeMessages(tx, ports, target, pace);
    return takeDeliveries(tx, target.id, target.failures >= OPENS_AFTER ? 1 : BATCH, pace.leaseSeconds);
  });
  if (rows.length === 0 || run.signal.aborted) return 0;
  await ports.keyRing.load();
  const ends = await allEnded(rows.map((row) => deliverAlert(ports, { target, row, signal: run.signal, caller })));
  const tried = ends.filter((end) => end !== 'queued');
  if (tried.length > 0 && tried.every((end) => end === 'unreachable')) await fail(ports, target);
  else if (target.failures > 0 && tried.some((end) => end === 'accepted')) await recover(ports, target);
  return rows.length;
}

async function fail(ports: SendAlertsPorts, { id, name, failures }: TargetRow): Promise<void> {
  await failTarget(ports.sql, id, openPauseSeconds(ports, failures + 1, paceOf(ports)));
  if (failures + 1 !== OPENS_AFTER) return;
  alertCircuits.add(1, { event: 'opened' });
  ports.log.error({ target: name }, 'a target of alerts is down; its messages wait');
}

async function recover(ports: SendAlertsPorts, { id, name, failures }: TargetRow): Promise<void> {
  if (!(await recoverTarget(ports.sql, id)) || failures < OPENS_AFTER) return;
  await hastenDeliveries(ports.sql, id);
  alertCircuits.add(1, { event: 'closed' });
  ports.log.info({ target: name }, 'a target of alerts is up again');
}
