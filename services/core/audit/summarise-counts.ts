import type { AuditEvent } from '#services/platform/define/audit-event.ts';
import type { count } from '#services/platform/define/audit-member.ts';
import type { Caller, Ports } from '../ports.ts';
import { recordEvent } from './record-event.ts';

export type CountSummary = {
  /** Writes one row with the counts since the last row; none without any. Never rejects. */
  write(): Promise<void>;
  /** Writes once a minute from now on. */
  start(): void;
  /** Stops, and writes the remaining counts. */
  close(): Promise<void>;
};

const INTERVAL_MS = 60_000;

/**
 * Checks of credentials are counted, not recorded one by one: each copy writes one audit row a minute, by result. When
 * writing fails, the counts are part of the next row.
 * @param name the actor of the row
 */
export function createCountSummary<Result extends string>(
  { sql, log }: Pick<Ports, 'sql' | 'log'>,
  name: string,
  event: AuditEvent<'counted', { readonly [R in Result]: typeof count }>,
  counts: Readonly<Record<Result, number>>,
): CountSummary {
  const caller: Caller = { kind: 'system', name, request: { ip: '', userAgent: '', traceId: '', traceparent: '' } };
  let written: Readonly<Record<string, number>> = { ...counts };
  let timer: NodeJS.Timeout | undefined;

  const write = async (): Promise<void> => {
    const current = { ...counts };
    const added = Object.entries<number>(current)
      .map(([result, total]) => [result, total - (written[result] as number)] as const)
      .filter(([, more]) => more > 0);
    if (added.length === 0) return;
    try {
      const detail = Object.fromEntries(added) as object;
      await recordEvent(sql, caller, event as AuditEvent<'counted'>, { outcome: 'counted', detail });
      written = current;
    } catch (err) {
      log.warn({ err }, `writing the ${name} failed; retrying in a minute`);
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
