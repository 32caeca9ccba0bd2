import { alertNotices } from '#observability/metrics/alerts.ts';
import type { Caller, Fence } from '#services/core/ports.ts';
import { allEnded, sendBatch } from '#services/core/shared/send-batch.ts';
import { collectAlerts } from './collect-alerts.ts';
import { alertsTo, type SendAlertsPorts } from './deliver-alert.ts';
import { closeAlerts, planNotices } from './notices.store.ts';
import { dropLastWords, readTargets } from './targets.store.ts';

/**
 * Makes alerts of new incidents and red controls, decides who is told of what, and sends it. A target gets one message for
 * each group of alerts and half minute, and at most ten a minute: what does not fit is one message with the counts. The
 * messages of a group are sent in order, each after the one before was accepted or given up. Delivery is at least once,
 * with the same id in each attempt. A target that fails three times in a row gets one message in at most a minute until it
 * accepts one, and then all that waited.
 */
export async function sendAlerts(
  ports: SendAlertsPorts,
  run: { readonly fence: Fence; readonly signal: AbortSignal },
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
  const taken = await allEnded(targets.map((target) => sendBatch(ports, alertsTo(ports, target, caller), run)));
  return { read, planned, taken: taken.reduce((sum, each) => sum + each, 0) };
}
