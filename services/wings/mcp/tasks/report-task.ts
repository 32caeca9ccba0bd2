import { isAppError } from '#services/platform/define/error.ts';
import { type ReportView, readReport } from '#services/wings/compliance/reports/read-report.ts';
import { cancelReport, requestReport } from '#services/wings/compliance/reports/request-report.ts';
import type { Ports } from '#services/core/ports.ts';
import type { AdvanceTask, TaskKind, TaskProgress } from './task-kind.ts';

const CHECK_SECONDS = 5;

const STEPS: Readonly<Partial<Record<ReportView['status'], string>>> = {
  queued: 'The report is queued.',
  collecting: 'Reading the controls.',
  sealing: 'Sealing the evidence.',
};

const progressOf = ({ status, progress }: ReportView): TaskProgress => ({
  percent: progress,
  message: STEPS[status] ?? `The report is ${status}.`,
});

/** Builds a compliance report; the workers of reports do the work. */
export const reportTask: TaskKind<Pick<Ports, 'transact' | 'random' | 'sql'>> = {
  begin: async (ports, _input, caller) => {
    const { report_id: subjectId } = await requestReport(ports, {}, caller);
    return { subjectId, state: 'working', message: 'The report is queued.' };
  },
  look: async (ports, { subjectId }) => progressOf(await readReport(ports, subjectId)),
  cancel: async (ports, { subjectId }, caller) => {
    try {
      await cancelReport(ports, { report_id: subjectId, reason: 'mcp_task_cancelled' }, caller);
      return true;
    } catch (err) {
      if (!isAppError(err) || err.code !== 'report_ended') throw err;
      return false;
    }
  },
};

export const advanceReportTask: AdvanceTask<Pick<Ports, 'sql'>> = async (ports, { subjectId }) => {
  const report = await readReport(ports, subjectId);
  const { status } = report;
  if (status === 'done') return { state: 'completed', message: 'The report is ready.', result: report };
  if (status === 'cancelled') return { state: 'cancelled', message: 'The report was cancelled.' };
  if (status === 'failed')
    return { state: 'completed', message: 'The report could not be built.', result: report, isError: true };
  const { message, percent } = progressOf(report);
  return { state: 'working', message: `${message} ${percent} %`, afterSeconds: CHECK_SECONDS };
};
