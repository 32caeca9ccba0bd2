import type { Ports } from '#services/core/ports.ts';
import type { TaskKind, TaskProgress } from '#services/core/shared/task-kind.ts';
import { permissionOf } from '#services/platform/define/endpoint.ts';
import { isAppError } from '#services/platform/define/error.ts';
import type { ReportView } from './contract.ts';
import { requestReportEndpoint } from './contract.ts';
import { readReport } from './reports/read-report.ts';
import { cancelReport, requestReport } from './reports/request-report.ts';

export const REPORT_TASK = 'compliance_report';

const STEPS: Readonly<Partial<Record<ReportView['status'], string>>> = {
  queued: 'The report is queued.',
  collecting: 'Reading the controls.',
  sealing: 'Sealing the evidence.',
};

export const progressOf = ({ status, progress }: ReportView): TaskProgress => ({
  percent: progress,
  message: STEPS[status] ?? `The report is ${status}.`,
});

/** Builds a compliance report; the workers of reports do the work. */
export const reportTask: TaskKind<Pick<Ports, 'transact' | 'random' | 'sql'>> = {
  name: REPORT_TASK,
  permission: permissionOf(requestReportEndpoint),
  begin: async (ports, _input, caller) => {
    const { report_id: subjectId } = await requestReport(ports, {}, caller);
    return { subjectId, state: 'working', message: 'The report is queued.' };
  },
  look: async (ports, { subject_id: subjectId }) => progressOf(await readReport(ports, subjectId)),
  cancel: async (ports, { subject_id: subjectId }, caller) => {
    try {
      await cancelReport(ports, { report_id: subjectId, reason: 'mcp_task_cancelled' }, caller);
      return true;
    } catch (err) {
      if (!isAppError(err) || err.code !== 'report_ended') throw err;
      return false;
    }
  },
};
