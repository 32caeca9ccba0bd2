// How patient the tests and the processes of one file are: more than as shipped, so that no test fails by the speed of
// its machine. A file about deadlines says so (`asShipped`).
import { availableParallelism, loadavg } from 'node:os';
import { vi } from 'vitest';
import { TEST_PATIENCE } from '#services/platform/process/patience.ts';

/** A process gets its turn this much later than on an idle machine with so many runnable ones for each processor. */
const LOAD_FOR_ONE = 2.5;
/** A run of lanes makes its own load, which is not there yet when its first files begin. */
const LEAST = 3;
const MOST = 6;

/** A test or hook ends long before on an idle machine; `eventually` gives up sooner, and says what never came. */
const MAY_TAKE_MS = 300_000;

/** `TEST_PATIENCE=8 npm test` sets it for all files. */
function factorNow(): number {
  const given = Number(process.env.TEST_PATIENCE);
  if (given >= 1) return given;
  const load = (loadavg()[0] ?? 0) / availableParallelism();
  return Math.min(MOST, Math.max(LEAST, Math.ceil(load / LOAD_FOR_ONE)));
}

function setFactor(factor: number): void {
  process.env[TEST_PATIENCE] = String(factor);
  vi.setConfig({ testTimeout: factor * MAY_TAKE_MS, hookTimeout: factor * MAY_TAKE_MS });
}

setFactor(factorNow());
