import type { Ports } from '#services/core/ports.ts';
import { cutText } from '#services/platform/define/cut-text.ts';
import { readNewestSeq } from '../events.store.ts';
import { type AuditEventView, eventViewOf } from './event-view.ts';
import { countUnsealed, type ReportRange, readReportPage } from './report.store.ts';

export type AuditReport = {
  /** RFC 3339, both inclusive. */
  readonly start: string;
  readonly end: string;
  readonly generatedAt: string;
  /** The newest event when the report was made. Events sealed later are not in it. -1: the log was empty. */
  readonly throughSeq: number;
  readonly total: number;
  /** Sorted by type, then outcome. They add up to `total`, the number of rows. */
  readonly counts: readonly { readonly type: string; readonly outcome: string; readonly count: number }[];
  /** Number of events in the period that were not sealed yet. They are not in the report. */
  readonly unsealed: number;
  /** Reads the events in order of time, page by page. */
  rows(): AsyncIterable<AuditEventView>;
};

const PAGE_ROWS = 1_000;

async function* readRows({ sql }: Pick<Ports, 'sql'>, range: ReportRange): AsyncGenerator<AuditEventView> {
  let after = { occurred_at: '-infinity', seq: -1 };
  for (;;) {
    const page = await readReportPage(sql, range, after, PAGE_ROWS);
    for (const row of page) yield eventViewOf(row);
    const last = page.at(-1);
    if (last === undefined || page.length < PAGE_ROWS) return;
    after = last;
  }
}

/**
 * Reports every sealed event from `start` to `end`, both inclusive. Reads the rows twice, for the counts and for `rows`:
 * the log only grows, so both reads return the same.
 */
export async function generateAuditReport(
  ports: Pick<Ports, 'sql' | 'clock'>,
  { start, end }: { readonly start: Date | string; readonly end: Date | string },
): Promise<AuditReport> {
  const [from, to] = [instantOf(start), instantOf(end)];
  const range = { start: from, end: to, throughSeq: await readNewestSeq(ports.sql) };
  const counts = new Map<string, { type: string; outcome: string; count: number }>();
  let total = 0;
  for await (const { type, outcome } of readRows(ports, range)) {
    const key = `${type} ${outcome}`;
    const known = counts.get(key) ?? { type, outcome, count: 0 };
    known.count += 1;
    counts.set(key, known);
    total += 1;
  }
  return {
    ...range,
    generatedAt: new Date(ports.clock.now()).toISOString(),
    total,
    counts: [...counts.entries()].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, count]) => count),
    unsealed: await countUnsealed(ports.sql, from, to),
    rows: () => readRows(ports, range),
  };
}

/**
 * Returns a text unchanged, to preserve its microseconds.
 * @throws RangeError if it is not a time
 */
function instantOf(time: Date | string): string {
  if (typeof time !== 'string') return time.toISOString();
  if (Number.isNaN(Date.parse(time))) throw new RangeError(`${JSON.stringify(cutText(time, 40))} is not a time`);
  return time;
}
