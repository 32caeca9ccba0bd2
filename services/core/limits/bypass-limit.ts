import type { RateClass } from '#services/platform/define/endpoint.ts';
import { recordEvent } from '../audit/record-event.ts';
import { limitNameOf } from '../authority/names.ts';
import type { Caller, Ports } from '../ports.ts';
import { createThrottle } from '../shared/throttle.ts';
import { limitBypassed } from './audit-events.ts';
import type { LimitBucket } from './buckets.ts';

export type BypassPorts = Pick<Ports, 'sql' | 'clock' | 'log'>;

/**
 * Lets callers with `limits:bypass` exceed a limit, and records it in the audit log once per caller, limit and minute.
 * @returns false when the event could not be written: a bypass must be visible
 */
export function createBypass(
  ports: BypassPorts,
): (caller: Caller, bucket: LimitBucket, rateClass: RateClass) => Promise<boolean> {
  const once = createThrottle(ports.clock);

  const record = (caller: Caller, bucket: LimitBucket, rateClass: RateClass): Promise<boolean> =>
    recordEvent(ports.sql, caller, limitBypassed, { detail: { limit: bucket.name, route_class: rateClass } }).then(
      () => true,
      (err: unknown) => {
        ports.log.warn({ err }, 'rate limit bypass refused: it could not be recorded');
        return false;
      },
    );

  return (caller, bucket, rateClass) =>
    once(`${bucket.name} ${limitNameOf(caller)}`, () => record(caller, bucket, rateClass));
}
