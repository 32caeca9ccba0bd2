import { patient } from '../platform/process/patience.ts';
import type { StopRequests } from './stop-requests.ts';

/** From a stop request: a child still draining then is killed, which leaves the stores enough of the 40 s. */
const DRAIN_BUDGET_MS = 28_000;

export type Drainable = { stop(): Promise<void>; kill(): void };

/** Stops children in order, each within its drain time and all within the budget; a second request kills them. */
export async function drain(children: readonly Drainable[], requests: Pick<StopRequests, 'hurry'>): Promise<void> {
  let isOver = false;
  const killAll = (): void => {
    isOver = true;
    for (const child of children) child.kill();
  };
  const budget = setTimeout(killAll, patient(DRAIN_BUDGET_MS));
  void requests.hurry.then(killAll);
  for (const child of children) {
    const stopping = child.stop();
    if (isOver) child.kill();
    await stopping;
  }
  clearTimeout(budget);
}
