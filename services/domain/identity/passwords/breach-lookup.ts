import { hash } from 'node:crypto';
import { breachLookups } from '#observability/metrics/identity.ts';
import { recordEvent } from '#services/domain/audit/record-event.ts';
import type { Caller, Ports } from '#services/domain/ports.ts';
import { passwordBreachUnchecked } from '../audit-events.ts';

/**
 * Where stolen passwords are looked up: five of the forty hex digits of a SHA-1 go out, every suffix under them comes
 * back, so whoever answers does not learn which one was meant (k-anonymity).
 */
export type BreachRanges = {
  /** Lines `<35 hex digits>:<count>`; a count of 0 is padding. Rejects when out of reach or past its deadline. */
  suffixesOf(prefix: string): Promise<string>;
};

const PREFIX_DIGITS = 5;

/**
 * Whether this password is known to be stolen. A list out of reach stops nobody: it is logged, counted and recorded,
 * and the answer is no.
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
    log.warn({ err }, 'stolen passwords could not be looked up: a new password was taken without');
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
