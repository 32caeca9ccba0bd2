import { recordEvent } from '#services/core/audit/record-event.ts';
import { actorNameOf } from '#services/core/authority/names.ts';
import type { Caller, Ports } from '#services/core/ports.ts';
import { requestInvalid } from '#services/platform/errors.ts';
import { securityReportRequested } from '../audit-events.ts';
import { securityReportsBusy } from '../errors.ts';
import { countQueuedReports, insertSecurityReport } from './security-reports.store.ts';

/** As long as the counts by hour are kept. */
export const REPORT_DAYS_MAX = 400;

const QUEUED_MAX = 20;
const HOUR_MS = 3_600_000;
const DEFAULT_HOURS = 168;

const hourOf = (ms: number): number => Math.floor(ms / HOUR_MS) * HOUR_MS;
const iso = (ms: number): string => new Date(ms).toISOString();

/** What is wrong with a period. Both ends may be in one hour: it is the report's. */
function wrongIn(
  asked: { readonly from?: string | undefined; readonly to?: string | undefined },
  { from, to }: { readonly from: number; readonly to: number },
): string | undefined {
  const isTurned = asked.from !== undefined && Date.parse(asked.from) > Date.parse(asked.to ?? '9999-01-01');
  if (isTurned || from > to) return 'must be before to, and not in the future';
  return to - from > REPORT_DAYS_MAX * 24 * HOUR_MS ? `must be at most ${REPORT_DAYS_MAX} days before to` : undefined;
}

/**
 * Requests a report, which a worker makes once every hour of its period was counted. Without a period it is of the seven
 * days before the current hour. Throws `request_invalid` (400), `security_reports_busy` (409).
 */
export async function requestSecurityReport(
  { transact, random, clock }: Pick<Ports, 'transact' | 'random' | 'clock'>,
  input: { readonly from?: string | undefined; readonly to?: string | undefined },
  caller: Caller,
): Promise<{ readonly report_id: string }> {
  const to = hourOf(input.to === undefined ? clock.now() : Math.min(Date.parse(input.to), clock.now()));
  const from = hourOf(input.from === undefined ? to - DEFAULT_HOURS * HOUR_MS : Date.parse(input.from));
  const why = wrongIn(input, { from, to });
  if (why !== undefined) throw requestInvalid({ problems: [{ at: 'body/from', why }] });
  const report = { id: random.uuid(), from: iso(from), to: iso(Math.max(to, from + HOUR_MS)) };
  await transact(async (tx) => {
    if ((await countQueuedReports(tx)) >= QUEUED_MAX) throw securityReportsBusy({ retryAfterSeconds: 60 });
    await insertSecurityReport(tx, { ...report, by: actorNameOf(caller) });
    await recordEvent(tx, caller, securityReportRequested, {
      target: { kind: 'report', id: report.id },
      detail: { kind: 'demand', from: report.from, to: report.to },
    });
  });
  return { report_id: report.id };
}
