import { cleanupLag } from '#observability/metrics/cleanup.ts';
import { lookWhenScraped } from '#observability/metrics/scrape-looks.ts';
import type { Clock, Sql } from '../core/ports.ts';
import type { Purge } from '../core/shared/purge.ts';

/**
 * Shows how late each kind of clean-up is, whichever worker runs it. The database is queried when metrics are read; while
 * it does not answer, the age of overdue rows keeps growing.
 */
export function watchCleanup(
  { sql, clock }: { readonly sql: Sql; readonly clock: Clock },
  purges: readonly Purge[],
  everyMs: number,
): { close(): void } {
  const known = new Map<string, { readonly overdueMs: number; readonly atMs: number }>();
  for (const { kind } of purges)
    cleanupLag.at({ kind }).observe(() => {
      const reading = known.get(kind);
      return reading && Math.max(0, reading.overdueMs + clock.monotonic() - reading.atMs) / 1_000;
    });
  const look = async (): Promise<void> => {
    for (const purge of purges) {
      const atMs = clock.monotonic();
      // Without rows, none is overdue before the next query.
      const overdueMs = (await purge.readOverdueMs(sql)) ?? Number.NEGATIVE_INFINITY;
      known.set(purge.kind, { overdueMs, atMs });
    }
  };
  return lookWhenScraped(look, everyMs);
}
