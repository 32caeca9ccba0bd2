import { hash } from 'node:crypto';
import { breachLookups } from '#observability/metrics/identity.ts';
import { recordEvent } from '#services/core/audit/record-event.ts';
import type { Caller, Ports } from '#services/core/ports.ts';
import { passwordBreachUnchecked } from '../audit-events.ts';

/**
 * Range lookup of breached passwords: the request has five of the forty hex digits of a SHA-1, and the service returns
 * every suffix with that prefix, so it does not learn the password (k-anonymity).
 */
export type BreachRanges = {
  /**
   * Lines `<35 hex digits>:<count>`; a count of 0 is padding. Rejects if the service is unreachable or exceeds its
   * deadline.
   */
  suffixesOf(prefix: string): Promise<string>;
};

const PREFIX_DIGITS = 5;

/**
 * Whether this password is known to be breached. If the service is unreachable, the password is accepted (false), and
 * the failure is logged, counted and recorded.
 */
export async function isBreached(
  { breachRanges, sql, log }: Pick<Ports, 'sql' | 'log'> & { readonly breachRanges: BreachRanges },
  password: string,
  caller: Caller,
): Promise<boolean> {
  const digest = hash('sha1', password.normalize('NFKC')).toUpperCase();
  let lines: string;
  try {
    lines = await breachRanges.suffixesOf(digest.slice(0, PREFIX_DIGITS));
  } catch (err) {
    breachLookups.add(1, { outcome: 'unavailable' });
    log.warn({ err }, 'breached-password lookup failed; new password accepted without it');
    await recordEvent(sql, caller, passwordBreachUnchecked, { outcome: 'ok' });
    return false;
  }
  const suffix = digest.slice(PREFIX_DIGITS);
  const found = lines.split('\n').some((line) => {
    const [given = '', count = ''] = line.trim().split(':');
    return given.toUpperCase() === suffix && Number(count) > 0;
  });
  breachLookups.add(1, { outcome: found ? 'breached' : 'clean' });
  return found;
}
