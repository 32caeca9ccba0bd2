import { recordEvent } from '#services/domain/audit/record-event.ts';
import type { Caller, Ports } from '#services/domain/ports.ts';
import { tokensValidated } from '../audit-events.ts';
import type { HasValidationCounts, ValidationCounts } from './validation-counts.ts';

const CALLER: Caller = {
  kind: 'system',
  name: 'validation-summary',
  request: { ip: '', userAgent: '', traceId: '', traceparent: '' },
};

export type ValidationSummary = {
  /** Writes one row with the counts since the last row; none without validations. Never rejects. */
  write(): Promise<void>;
  /** Writes once a minute from now on. */
  start(): void;
  /** Stops, and writes the remaining counts. */
  close(): Promise<void>;
};

const INTERVAL_MS = 60_000;

/**
 * Validations are counted, not recorded one by one: each copy writes one audit row a minute, by result and reason. When
 * writing fails, the counts are part of the next row.
 */
export function createValidationSummary({
  sql,
  log,
  validationCounts,
}: Pick<Ports, 'sql' | 'log'> & HasValidationCounts): ValidationSummary {
  let written: Readonly<ValidationCounts> = { ...validationCounts };
  let timer: NodeJS.Timeout | undefined;

  const write = async (): Promise<void> => {
    const current = { ...validationCounts };
    const added = Object.entries(current)
      .map(([result, total]) => [result, total - written[result as keyof ValidationCounts]] as const)
      .filter(([, count]) => count > 0);
    if (added.length === 0) return;
    try {
      await recordEvent(sql, CALLER, tokensValidated, { outcome: 'counted', detail: Object.fromEntries(added) });
      written = current;
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
