import { createHash } from 'node:crypto';
import { version } from '#observability/version.ts';
import type { EventCount } from '#services/core/audit/read/count-events.ts';
import { recordEvent } from '#services/core/audit/record-event.ts';
import type { Caller, Ports } from '#services/core/ports.ts';
import { countIncidents } from '#services/core/security/open-incidents.ts';
import { securityReportMade, securityReportRequested } from '../audit-events.ts';
import { readEventHours, readMonitoringState } from '../event-hours.store.ts';
import { figuresOf, signInRateOf } from '../measures.ts';
import type { SecurityReportFile } from './report-shapes.ts';
import {
  endSecurityReport,
  insertWeeklyReport,
  readDueReports,
  type SecurityReportRow,
} from './security-reports.store.ts';

export { securityReportsAreDue } from './security-reports.store.ts';

type ReportPorts = Pick<Ports, 'sql' | 'transact' | 'random'>;
type SystemCaller = Caller & { readonly kind: 'system' };

/** A report whose period is not counted by then failed: no worker counts. */
const GIVEN_UP_HOURS = 24;

/** Requests the report of the last week when it is due, and makes every report whose period was counted. Safe to run twice. */
export async function makeSecurityReports(
  ports: ReportPorts,
  { signal }: { readonly signal: AbortSignal },
  caller: SystemCaller,
): Promise<number> {
  await requestWeekly(ports, caller);
  let made = 0;
  for (const report of await readDueReports(ports.sql, GIVEN_UP_HOURS)) {
    if (signal.aborted) break;
    if (await endReport(ports, report, caller)) made += 1;
  }
  return made;
}

const requestWeekly = ({ transact, random }: ReportPorts, caller: SystemCaller): Promise<void> =>
  transact(async (tx) => {
    const report = await insertWeeklyReport(tx, random.uuid(), `system:${caller.name}`);
    if (report === undefined) return;
    const { report_id: id, kind, from, to } = report;
    await recordEvent(tx, caller, securityReportRequested, {
      target: { kind: 'report', id },
      detail: { kind, from, to },
    });
  });

async function endReport(
  ports: ReportPorts,
  report: SecurityReportRow & { readonly is_counted: boolean },
  caller: SystemCaller,
): Promise<boolean> {
  const content = report.is_counted ? `${JSON.stringify(await fileOf(ports, report), null, 2)}\n` : null;
  const sha256 = content === null ? null : createHash('sha256').update(content).digest('hex');
  return ports.transact(async (tx) => {
    const end = { status: content === null ? 'failed' : 'done', content, sha256 } as const;
    if (!(await endSecurityReport(tx, report.report_id, end))) return false;
    await recordEvent(tx, caller, securityReportMade, {
      outcome: content === null ? 'failed' : 'ok',
      target: { kind: 'report', id: report.report_id },
      detail: { kind: report.kind, from: report.from, to: report.to, ...(sha256 === null ? {} : { sha256 }) },
    });
    return content !== null;
  });
}

async function fileOf(
  { sql }: Pick<Ports, 'sql'>,
  { report_id: reportId, kind, from, to }: SecurityReportRow,
): Promise<SecurityReportFile> {
  const [counts, { now }, incidents] = await Promise.all([
    readEventHours(sql, from, to),
    readMonitoringState(sql),
    countIncidents({ sql }, { from, to }),
  ]);
  return {
    report_id: reportId,
    kind,
    from,
    to,
    made_at: now,
    product_version: version,
    sign_ins: signInRateOf(counts),
    days: [...Map.groupBy(counts, ({ hour }) => hour.slice(0, 10))].map(([day, own]) => ({ day, ...figuresOf(own) })),
    events: totalsOf(counts),
    incidents,
  };
}

const totalsOf = (counts: readonly EventCount[]): SecurityReportFile['events'] =>
  [...Map.groupBy(counts, ({ type, outcome }) => `${type} ${outcome}`)]
    .sort(([one], [other]) => (one < other ? -1 : 1))
    .map(([key, own]) => {
      const [type = '', outcome = ''] = key.split(' ');
      return { type, outcome, events: own.reduce((sum, { events }) => sum + events, 0) };
    });
