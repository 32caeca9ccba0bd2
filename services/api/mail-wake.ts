import { deliverMailJob } from '#jobs/contracts/mail.ts';
import type { Enqueue } from '../platform/define/job.ts';

/** Notifies the workers that mails wait. Never waits or fails: without Redis the timetable sends them. */
export const createMailWake =
  (enqueue: Enqueue): (() => void) =>
  () =>
    void enqueue(deliverMailJob, {}, { dedupe: 'wake' }).catch(() => {});
