// How patient the tests and the processes of one file are: more than as shipped only on a machine that is busy with
// other work, so that no test fails by the speed of its machine.
import { availableParallelism, loadavg } from 'node:os';
import { vi } from 'vitest';
import { TEST_PATIENCE } from '#services/platform/process/patience.ts';

/** The lanes of a run alone bring about as many runnable processes for each processor. */
const OWN_LOAD = 5;
const HALF_OWN_LOAD = OWN_LOAD / 2;
const MOST = 6;

/** A test or hook ends long before on an idle machine; `eventually` gives up sooner, and says what never came. */
const MAY_TAKE_MS = 300_000;

/** `TEST_PATIENCE=8 npm test` sets it for all files. */
function factorNow(): number {
  const given = Number(process.env.TEST_PATIENCE);
  if (given >= 1) return given;
  const load = (loadavg()[0] ?? 0) / availableParallelism();
  return load <= OWN_LOAD ? 1 : Math.min(MOST, Math.ceil(load / HALF_OWN_LOAD));
}

function setFactor(factor: number): void {
  process.env[TEST_PATIENCE] = String(factor);
  vi.setConfig({ testTimeout: factor * MAY_TAKE_MS, hookTimeout: factor * MAY_TAKE_MS });
}

setFactor(factorNow());
