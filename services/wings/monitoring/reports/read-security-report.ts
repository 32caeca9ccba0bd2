import type { Ports } from '#services/core/ports.ts';
import { PLACE, pageOf, placeOfCursor } from '#services/core/shared/pagination.ts';
import { securityReportNotReady, securityReportUnknown } from '../errors.ts';
import { DAY_FIGURES, type SecurityReportFile, type SecurityReportView } from './report-shapes.ts';
import { readSecurityReportRow, readSecurityReportsPage } from './security-reports.store.ts';

export type { SecurityReportView } from './report-shapes.ts';

type Reads = Pick<Ports, 'sql'>;
type OneReport = { readonly report_id: string };

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;

/** Lists reports, newest first, one page at a time. Throws `cursor_invalid` (400). */
export async function listSecurityReports(
  { sql }: Reads,
  { limit, cursor }: { readonly limit: number; readonly cursor?: string | undefined },
): Promise<{ readonly reports: SecurityReportView[]; readonly next: string | null }> {
  const after = placeOfCursor(cursor, [PLACE.time, UUID]);
  const rows = await readSecurityReportsPage(sql, after, limit + 1);
  const { items, next } = pageOf(rows, limit, ({ requested_at: at, report_id: id }) => [at, id]);
  return { reports: items, next };
}

/** Throws `security_report_unknown` (404). */
export async function readSecurityReport({ sql }: Reads, { report_id: id }: OneReport): Promise<SecurityReportView> {
  const row = await readSecurityReportRow(sql, id);
  if (row === undefined) throw securityReportUnknown();
  const { content: _content, ...view } = row;
  return view;
}

/** The file, byte for byte. Throws `security_report_unknown` (404), `security_report_not_ready` (409). */
export async function readSecurityReportFile({ sql }: Reads, { report_id: id }: OneReport): Promise<string> {
  const row = await readSecurityReportRow(sql, id);
  if (row === undefined) throw securityReportUnknown();
  if (row.content === null) throw securityReportNotReady({ retryAfterSeconds: 10 });
  return row.content;
}

/** The days of the file as CSV (RFC 4180). Throws as above. */
export async function readSecurityReportCsv(ports: Reads, input: OneReport): Promise<string> {
  const { days } = JSON.parse(await readSecurityReportFile(ports, input)) as SecurityReportFile;
  const lines = days.map((day) => [day.day, ...DAY_FIGURES.map((figure) => day[figure])].join(','));
  return `${[['day', ...DAY_FIGURES].join(','), ...lines].join('\r\n')}\r\n`;
}
