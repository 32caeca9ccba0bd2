import { recordEvent } from '#services/core/audit/record-event.ts';
import { actorNameOf } from '#services/core/authority/names.ts';
import type { Caller, Ports } from '#services/core/ports.ts';
import { reportEndedEarly, reportRequested } from '../audit-events.ts';
import type { ReportView } from '../contract.ts';
import { reportEnded, reportsBusy, reportUnknown } from '../errors.ts';
import { readReport } from './read-report.ts';
import { countUnfinishedReports, endReport, insertReport, lockReport } from './reports.store.ts';

const UNFINISHED_MAX = 20;

/** Requests a report, which a worker builds. Throws `reports_busy` (409). */
export async function requestReport(
  { transact, random }: Pick<Ports, 'transact' | 'random'>,
  _input: object,
  caller: Caller,
): Promise<{ readonly report_id: string }> {
  const id = random.uuid();
  await transact(async (tx) => {
    if ((await countUnfinishedReports(tx)) >= UNFINISHED_MAX) throw reportsBusy({ retryAfterSeconds: 60 });
    await insertReport(tx, id, actorNameOf(caller));
    await recordEvent(tx, caller, reportRequested, { target: { kind: 'report', id }, detail: { kind: 'demand' } });
  });
  return { report_id: id };
}

/** Cancels a report that is not finished; its evidence is kept. Throws `report_unknown` (404), `report_ended` (409). */
export async function cancelReport(
  { transact, sql }: Pick<Ports, 'transact' | 'sql'>,
  { report_id: reportId, reason }: { readonly report_id: string; readonly reason: string },
  caller: Caller,
): Promise<ReportView> {
  await transact(async (tx) => {
    const status = await lockReport(tx, reportId);
    if (status === undefined) throw reportUnknown();
    if (status === 'done' || status === 'failed' || status === 'cancelled') throw reportEnded();
    await endReport(tx, reportId, 'cancelled', null);
    await recordEvent(tx, caller, reportEndedEarly, {
      outcome: 'cancelled',
      target: { kind: 'report', id: reportId },
      detail: { reason },
    });
  });
  return readReport({ sql }, reportId);
}
