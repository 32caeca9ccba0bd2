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
  /** Writes one row of the validations since the last row, if any. Never rejects. */
  write(): Promise<void>;
  /** Writes once a minute from now on. */
  start(): void;
  /** Stops, and writes the rest. */
  close(): Promise<void>;
};

const INTERVAL_MS = 60_000;

/**
 * Validations are counted, not recorded one by one: each copy writes one audit row a minute, by result and reason. When
 * writing fails, the counts are part of the next row.
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
      log.warn({ err }, 'writing the summary of validations failed; retrying in a minute');
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
