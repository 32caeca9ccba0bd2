import { sealAuditEventsJob } from '#jobs/contracts/audit.ts';
import { type RequestTrace, traceparentOf } from '#observability/http-span.ts';
import type { Clock } from '../core/ports.ts';
import type { Enqueue } from '../platform/define/job.ts';

/** A process requests sealing at most this often. */
const WAKE_EVERY_MS = 250;

/**
 * Requests sealing soon: immediately after a quiet time, else at the end of the current interval, in the trace of the
 * request that caused it. Never waits or fails: without Redis the timetable seals.
 */
export function createSealingWake({ enqueue, clock }: { readonly enqueue: Enqueue; readonly clock: Clock }) {
  let lastAtMs = Number.NEGATIVE_INFINITY;
  let timer: NodeJS.Timeout | undefined;

  const send = (traceparent: string): void => {
    lastAtMs = clock.monotonic();
    enqueue(sealAuditEventsJob, {}, { dedupe: 'wake', traceparent }).catch(() => {});
  };

  return {
    wake: (trace: RequestTrace): void => {
      // The wake that is already scheduled also covers these events.
      if (timer !== undefined) return;
      const waitMs = lastAtMs + WAKE_EVERY_MS - clock.monotonic();
      const traceparent = traceparentOf(trace);
      if (waitMs <= 0) {
        send(traceparent);
        return;
      }
      timer = setTimeout(() => {
        timer = undefined;
        send(traceparent);
      }, waitMs).unref();
    },
    close: (): void => clearTimeout(timer),
  };
}
