import type { AuditEvent } from '#services/platform/define/audit-event.ts';
import type { count } from '#services/platform/define/audit-member.ts';
import type { Caller, Ports } from '../ports.ts';
import { createRegularWrites, type RegularWrites } from '../shared/regular-writes.ts';
import { recordEvent } from './record-event.ts';

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
): RegularWrites {
  const caller: Caller = { kind: 'system', name, request: { ip: '', userAgent: '', traceId: '', traceparent: '' } };
  let written: Readonly<Record<string, number>> = { ...counts };

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

  return createRegularWrites(INTERVAL_MS, write);
}
