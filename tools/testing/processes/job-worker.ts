// For tests only: PROCESS. A worker that runs `effectJob` until it is told to stop; tests kill it, freeze it, and give
// it a clock that is off.
import {
  composeWorker,
  effectJob,
  effectProcessor,
  SHORT_LOCK,
  scheduledEffectJob,
  wantedEffect,
} from '../harness/job.ts';

const { DATABASE_URL = '', REDIS_URL = '', SCHEDULED, ASKED, CLOCK_STEP_MS = '0' } = process.env;
const systemNow = Date.now;
Date.now = () => systemNow() + Number(CLOCK_STEP_MS);
const worker = composeWorker({
  databaseUrl: DATABASE_URL,
  redisUrl: REDIS_URL,
  // A lost lock begins a run again, and runs of a timetable are counted.
  env: SCHEDULED ? {} : SHORT_LOCK,
  processors: [ASKED ? wantedEffect() : effectProcessor(SCHEDULED ? scheduledEffectJob : effectJob)],
});
await worker.start();
process.send?.('ready');
process.on('SIGTERM', async () => {
  await worker.drain(20_000);
  process.exit(0);
});
