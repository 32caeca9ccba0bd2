// How patient the tests and the processes of one file are. What a test promises of the product has more time only on a
// machine that is busy with other work. The deadlines of its processes are always longer than shipped: lanes that have
// just begun make a load that is not there yet.
import { availableParallelism, loadavg } from 'node:os';
import { vi } from 'vitest';
import { TEST_PATIENCE } from '#services/platform/process/patience.ts';
import { TEST_LOAD } from './harness/busy-machine.ts';

/** The lanes of a run alone bring about as many runnable processes for each processor. */
const OWN_LOAD = 5;
const HALF_OWN_LOAD = OWN_LOAD / 2;
const MOST = 6;
const LEAST_OF_PROCESSES = 3;

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
  process.env[TEST_LOAD] = String(factor);
  process.env[TEST_PATIENCE] = process.env.TEST_PATIENCE ?? String(Math.max(LEAST_OF_PROCESSES, factor));
  vi.setConfig({ testTimeout: factor * MAY_TAKE_MS, hookTimeout: factor * MAY_TAKE_MS });
}

setFactor(factorNow());
