import { jobsOf, queuesOf } from '#jobs/schedules.ts';
import { type Check, fail, pass, warn } from '#services/core/health/doctor-check.ts';
import { withRowLetters } from '#services/core/health/row-dead-letters.ts';
import { loadList } from '#services/modules.ts';
import { isScheduled } from '#services/platform/define/job.ts';
import { createQueueAdmin } from '#services/platform/queue/admin.ts';
import { createProducer } from '#services/platform/queue/producer.ts';
import { readSchedules } from '#services/platform/queue/schedule-rows.ts';
import { isStale } from '#services/platform/queue/timetable.ts';
import { openContext } from '../context.ts';
import { withDatabase } from '../database-ports.ts';

const CONNECT_MS = 3_000;

/** Checks that every schedule is in time, every queue has workers, and no queue has dead letters. */
export const jobChecks: readonly Check[] = [
  {
    name: 'jobs',
    needs: 'databaseUrl',
    run: async (settings) => {
      const rows = await withDatabase(({ sql }) => readSchedules(sql));
      if (rows.length === 0) return warn('no worker has run yet', 'npm start, or start a worker');
      const jobs = jobsOf((await settings()).wings);
      const stale = jobs
        .filter(isScheduled)
        .filter((job) => rows.some((row) => row.job === job.name && isStale(row, job)));
      if (stale.length > 0)
        return fail(`no success in time: ${stale.map(({ name }) => name).join(', ')}`, 'npx sallyport queue list');
      const { redisUrl } = await openContext(['redisUrl']);
      const producer = createProducer(redisUrl, () => {});
      try {
        await producer.ready(CONNECT_MS);
        const { countWorkers, ...admin } = createQueueAdmin(producer, queuesOf(jobs));
        const letters = await loadList('deadLetters');
        const queues = await withDatabase((ports) => withRowLetters(admin, ports, letters).queues());
        const idle = [...(await countWorkers())].filter(([, workers]) => workers === 0).map(([name]) => name);
        if (idle.length > 0) return warn(`no worker takes jobs from ${idle.join(', ')}`, 'start a worker: npm start');
        const dead = queues.reduce((sum, queue) => sum + queue.dead, 0);
        if (dead > 0) return warn(`${dead} dead letters`, 'npx sallyport queue list, then queue retry');
        return pass(`${rows.length} schedules in time, ${queues.length} queues with workers`);
      } finally {
        await producer.close();
      }
    },
  },
];
