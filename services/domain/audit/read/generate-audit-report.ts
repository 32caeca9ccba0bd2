import type { Ports } from '#services/domain/ports.ts';
import { readNewestSeq } from '../events.store.ts';
import { type AuditEventView, viewOf } from './event-view.ts';
import { countUnsealed, type ReportRange, readReportPage } from './report.store.ts';

export type AuditReport = {
  /** RFC 3339; both ends belong to the report. */
  readonly start: string;
  readonly end: string;
  readonly generatedAt: string;
  /** The newest event that could be in it: what is sealed later changes nothing here. -1: none at all. */
  readonly throughSeq: number;
  readonly total: number;
  /** By type, then outcome. Their sum is `total`, the number of rows. */
  readonly counts: readonly { readonly type: string; readonly outcome: string; readonly count: number }[];
  /** Events of the time that were not sealed yet, and are not in the report. */
  readonly unsealed: number;
  /** The events in the order they happened, read a page at a time. */
  rows(): AsyncIterable<AuditEventView>;
};

const PAGE_ROWS = 1_000;

async function* readRows({ sql }: Pick<Ports, 'sql'>, range: ReportRange): AsyncGenerator<AuditEventView> {
  let after = { occurredAt: '-infinity', seq: -1 };
  for (;;) {
    const page = await readReportPage(sql, range, after, PAGE_ROWS);
    for (const row of page) yield viewOf(row);
    const last = page.at(-1);
    if (last === undefined || page.length < PAGE_ROWS) return;
    after = last;
  }
}

/**
 * Every sealed event from `start` to `end`, both inclusive, with counts that equal its rows. The log only grows, so a
 * second reading gives the same rows.
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

/** Text keeps its microseconds. Throws RangeError for what is no time. */
function instantOf(time: Date | string): string {
  if (typeof time !== 'string') return time.toISOString();
  if (Number.isNaN(Date.parse(time))) throw new RangeError(`${JSON.stringify(time.slice(0, 40))} is no time`);
  return time;
}
