import { deliverMailJob } from '#jobs/contracts/mail.ts';
import type { Enqueue } from '../platform/define/job.ts';

/** Tells the workers that mails wait. Never waits and never fails: without Redis the timetable sends them all the same. */
export const createMailWake =
  (enqueue: Enqueue): (() => void) =>
  () =>
    void enqueue(deliverMailJob, {}, { dedupe: 'wake' }).catch(() => {});
