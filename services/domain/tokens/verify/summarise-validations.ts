import { recordEvent } from '#services/domain/audit/record-event.ts';
import type { Caller, Ports } from '#services/domain/ports.ts';
import { tokensValidated } from '../audit-events.ts';
import { type VerdictTotals, verdictTotals } from './validate-token.ts';

const CALLER: Caller = {
  kind: 'system',
  name: 'validation-summary',
  request: { ip: '', userAgent: '', traceId: '', traceparent: '' },
};

export type ValidationSummary = {
  /** Writes one row of what was judged since the last; none when nothing was. Never rejects. */
  write(): Promise<void>;
  /** Once a minute from now on. */
  start(): void;
  /** Writes the rest. */
  close(): Promise<void>;
};

const INTERVAL_MS = 60_000;

/**
 * Validations are counted, not recorded one by one: one audit row a minute for each copy, by verdict. What cannot be
 * written is part of the next row.
 */
export function createValidationSummary({ sql, log }: Pick<Ports, 'sql' | 'log'>): ValidationSummary {
  let written: VerdictTotals = verdictTotals();
  let timer: NodeJS.Timeout | undefined;

  const write = async (): Promise<void> => {
    const now = verdictTotals();
    const verdicts = Object.entries(now)
      .map(([verdict, total]) => [verdict, total - written[verdict as keyof VerdictTotals]] as const)
      .filter(([, count]) => count > 0);
    if (verdicts.length === 0) return;
    try {
      await recordEvent(sql, CALLER, tokensValidated, { outcome: 'counted', detail: Object.fromEntries(verdicts) });
      written = now;
    } catch (err) {
      log.warn({ err }, 'the summary of validations waits for the next minute');
    }
  };

  return {
    write,
    start: () => {
      timer = setInterval(write, INTERVAL_MS);
      timer.unref();
    },
    close: () => {
      clearInterval(timer);
      return write();
    },
  };
}
