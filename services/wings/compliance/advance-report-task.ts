import type { Ports } from '#services/core/ports.ts';
import type { TaskAdvance } from '#services/core/shared/task-kind.ts';
import { progressOf, REPORT_TASK } from './report-task.ts';
import { readReport } from './reports/read-report.ts';

const CHECK_SECONDS = 5;

/** Ends the task with the report, once that is built. */
export const advanceReportTask: TaskAdvance<Pick<Ports, 'sql'>> = {
  name: REPORT_TASK,
  advance: async (ports, { subject_id: subjectId }) => {
    const report = await readReport(ports, subjectId);
    const { status } = report;
    if (status === 'done') return { state: 'completed', message: 'The report is ready.', result: report };
    if (status === 'cancelled') return { state: 'cancelled', message: 'The report was cancelled.' };
    if (status === 'failed')
      return { state: 'completed', message: 'The report could not be built.', result: report, isError: true };
    const { message, percent } = progressOf(report);
    return { state: 'working', message: `${message} ${percent} %`, afterSeconds: CHECK_SECONDS };
  },
};
