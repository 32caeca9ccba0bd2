import type { Finding, Gate } from './gates.ts';
import type { Ledger } from './ledger.ts';

const KINDS = ['age', 'size', 'number'] as const;

/** How many signals of a transmitter took effect within the busiest minute that ended with one of them. */
export type BusiestMinute = { readonly issuer: string; readonly most: number };

/** No signal beyond a bound is accepted: none that is too old or too large, and in a minute no more than `limit`. */
export function withinBounds(
  { boundedSignals }: Pick<Ledger, 'boundedSignals'>,
  minutes: readonly BusiestMinute[],
  limit: number,
): Gate {
  const findings: Finding[] = [
    ...boundedSignals
      .filter(({ beyond, status }) => beyond !== 'number' && status >= 200 && status < 300)
      .map(({ beyond, status }) => ({ text: `a signal beyond the bound of ${beyond} was answered ${status}` })),
    ...minutes
      .filter(({ most }) => most > limit)
      .map(({ issuer, most }) => ({ text: `${most} signals of ${issuer} took effect within a minute` })),
  ];
  const answered = boundedSignals.filter(({ status }) => status > 0);
  const isMet = KINDS.every((kind) => answered.some(({ beyond, status }) => beyond === kind && status >= 400));
  return {
    name: 'signals: none beyond a bound is accepted',
    checked: isMet || findings.length > 0 ? answered.length : 0,
    findings,
  };
}
