import './telemetry.ts';
// Telemetry first, so that it measures everything imported after it.
import { processorsOf } from '#jobs/processors.ts';
import { watchProcess } from '#observability/metrics/process.ts';
import { serveMetrics } from '#observability/metrics/server.ts';
import { processInputsOf } from '../platform/process/inputs.ts';
import { runProcess } from '../platform/process/lifetime.ts';
import { metricsPlaceOf } from '../platform/process/metrics-place.ts';
import { BACKGROUND, lowerPriority } from '../platform/process/priority.ts';
import { compose } from './compose.ts';
import * as instruments from './telemetry.ts';

/** Part of the drain time that is reserved for aborted jobs to stop. */
const STOP_MS = 2_500;

await runProcess('sallyport-worker', instruments, async (config, log) => {
  const processors = await processorsOf(config.wings);
  const worker = compose({ ...processInputsOf(config), config, log, processors });
  const stopWatching = watchProcess();
  const { workerDrainSeconds } = config.jobs;
  const health = (): { ok: boolean; body: object } => {
    const state = worker.health.read();
    return { ok: state.status === 'ok', body: state };
  };
  const metrics = await serveMetrics({ ...metricsPlaceOf(config.server, 'worker'), exemplars: true, health });
  await worker.start();
  // Not before: after a crash, events wait for it.
  lowerPriority(0, BACKGROUND);
  return {
    // Another worker takes the jobs that still run then, once their locks expire.
    stopSeconds: workerDrainSeconds,
    stop: async () => {
      await worker.drain(Math.max(0, workerDrainSeconds * 1_000 - STOP_MS));
      await metrics.close();
      stopWatching();
    },
  };
});
