// For tests only: PROCESS. A worker that runs `effectJob` until it is told to stop; tests kill and freeze it.
import { composeWorker, effectJob, effectProcessor, scheduledEffectJob } from './job-world.ts';

const { DATABASE_URL = '', REDIS_URL = '', SCHEDULED } = process.env;
const worker = composeWorker({
  databaseUrl: DATABASE_URL,
  redisUrl: REDIS_URL,
  processors: [effectProcessor(SCHEDULED ? scheduledEffectJob : effectJob)],
});
await worker.start();
process.send?.('ready');
process.on('SIGTERM', async () => {
  await worker.drain(20_000);
  process.exit(0);
});
