import { patient } from '../platform/process/patience.ts';
import type { StopRequests } from './stop-requests.ts';

/** From a stop request: a child still draining then is killed, which leaves the stores enough of the 40 s. */
const DRAIN_BUDGET_MS = 28_000;

/** What the drain needs of a child. */
export type Drainable = {
  stop(): Promise<void>;
  kill(): void;
};

/**
 * Stops the kinds of children in order, each within its drain time and all within the budget; a second request kills
 * them.
 */
export async function drain(
  fleets: readonly (readonly Drainable[])[],
  requests: Pick<StopRequests, 'hurry'>,
): Promise<void> {
  let isOver = false;
  const killAll = (): void => {
    isOver = true;
    for (const child of fleets.flat()) child.kill();
  };
  const budget = setTimeout(killAll, patient(DRAIN_BUDGET_MS));
  void requests.hurry.then(killAll);
  for (const children of fleets) {
    const stopping = children.map((child) => child.stop());
    if (isOver) killAll();
    await Promise.all(stopping);
  }
  clearTimeout(budget);
}
