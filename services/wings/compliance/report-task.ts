import { z } from 'zod';
import type { Ports } from '#services/core/ports.ts';
import type { TaskKind, TaskProgress } from '#services/core/shared/task-kind.ts';
import { outputOf } from '#services/core/shared/tool.ts';
import { permissionOf } from '#services/platform/define/endpoint.ts';
import { isAppError } from '#services/platform/define/error.ts';
import { type ReportView, readReportEndpoint, requestReportEndpoint } from './contract.ts';
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
  tool: {
    name: 'request_compliance_report',
    title: 'Request a compliance report',
    description:
      'Build a signed compliance report. This takes up to minutes: the call returns a task to poll, whose result is the report. With a progress token it reports its steps and waits up to 45 seconds.',
    input: z.strictObject({}),
    output: outputOf(readReportEndpoint),
  },
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
