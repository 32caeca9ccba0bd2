import type { ReportView } from '../contract.ts';

const countsOf = ({ summary }: ReportView): string =>
  summary === null
    ? ''
    : `${summary.pass} pass  ${summary.fail} fail  ${summary.error} error  ${summary.unknown} unknown  ${summary.not_applicable} n/a`;

export const reportLine = (view: ReportView): string =>
  [
    view.requested_at,
    view.status.padEnd(10),
    `${view.progress} %`.padEnd(5),
    `${view.kind}${view.period === null ? '' : ` ${view.period}`}`.padEnd(16),
    view.report_id,
    countsOf(view),
  ].join('  ');
