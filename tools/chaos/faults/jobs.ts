import { scheduledJobs } from '#jobs/schedules.ts';
import { createProducer } from '#services/platform/queue/producer.ts';
import { type Fault, fault } from './fault.ts';

const TIMES = 20;

export const jobFaults: readonly Fault[] = [
  fault('jobs-twenty-times', async ({ system }) => {
    const producer = createProducer(system.stores.url('redis'), () => {});
    try {
      await producer.ready(5_000);
      for (const job of scheduledJobs)
        await Promise.all(Array.from({ length: TIMES }, () => producer.enqueue(job, {}, { traceparent: '' })));
    } finally {
      await producer.close();
    }
  }),
];
