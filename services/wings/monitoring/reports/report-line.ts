import type { SecurityReportView } from './report-shapes.ts';

export const reportLine = ({ report_id: id, kind, from, to, status, sha256 }: SecurityReportView): string =>
  [id, kind.padEnd(6), status.padEnd(6), `${from.slice(0, 16)} to ${to.slice(0, 16)}`, sha256 ?? '']
    .join('  ')
    .trimEnd();
