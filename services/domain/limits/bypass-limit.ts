import type { RateClass } from '../../platform/define/endpoint.ts';
import { recordEvent } from '../audit/record-event.ts';
import type { Caller, Ports } from '../ports.ts';
import { limitBypassed } from './audit-events.ts';
import type { LimitBucket } from './buckets.ts';

export type BypassPorts = Pick<Ports, 'sql' | 'clock' | 'log'>;

const MINUTE_MS = 60_000;
/** More callers with this right than any installation has. */
const CALLERS_MAX = 10_000;

const nameOf = (caller: Caller): string =>
  caller.kind === 'user' ? `user ${caller.userId}` : caller.kind === 'client' ? `client ${caller.clientId}` : '';

/**
 * Lets callers with `limits:bypass` past a used-up limit, and writes it to the audit log once for each caller, limit
 * and minute.
 * @returns false when that could not be written: a bypass nobody can see is none
 */
export function createBypass(
  ports: BypassPorts,
): (caller: Caller, bucket: LimitBucket, rateClass: RateClass) => Promise<boolean> {
  let minute = -1;
  const recorded = new Map<string, Promise<boolean>>();

  const record = (caller: Caller, bucket: LimitBucket, rateClass: RateClass): Promise<boolean> =>
    recordEvent(ports.sql, caller, limitBypassed, {
      outcome: 'ok',
      detail: { limit: bucket.name, route_class: rateClass },
    }).then(
      () => true,
      (err: unknown) => {
        ports.log.warn({ err }, 'a bypass of a rate limit could not be recorded and is refused');
        return false;
      },
    );

  return async (caller, bucket, rateClass) => {
    const now = Math.floor(ports.clock.now() / MINUTE_MS);
    if (now !== minute || recorded.size >= CALLERS_MAX) recorded.clear();
    minute = now;
    const name = `${bucket.name} ${nameOf(caller)}`;
    const held = recorded.get(name) ?? record(caller, bucket, rateClass);
    recorded.set(name, held);
    const isRecorded = await held;
    // The next request tries again.
    if (!isRecorded && recorded.get(name) === held) recorded.delete(name);
    return isRecorded;
  };
}
