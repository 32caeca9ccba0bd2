import type { Ports } from '#services/core/ports.ts';
import { PLACE, pageOf, placeOfCursor } from '#services/core/shared/pagination.ts';
import type { ReportView } from '../contract.ts';
import { reportNotReady, reportUnknown } from '../errors.ts';
import { type ReportBundle, reportBundle } from './report-shapes.ts';
import { readBundleText, readPdfBytes, readReportRow, readReportsPage } from './reports.store.ts';

type ReadPorts = Pick<Ports, 'sql'>;

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;

/** Lists reports, newest first, one page at a time. Throws `cursor_invalid` (400). */
export async function listReports(
  { sql }: ReadPorts,
  input: { readonly limit: number; readonly cursor?: string | undefined },
): Promise<{ readonly reports: ReportView[]; readonly next: string | null }> {
  const after = placeOfCursor(input.cursor, [PLACE.time, UUID]);
  const rows = await readReportsPage(sql, after, input.limit + 1);
  const { items, next } = pageOf(rows, input.limit, (row) => [row.requested_at, row.report_id]);
  return { reports: items, next };
}

/** Throws `report_unknown` (404). */
export async function readReport({ sql }: ReadPorts, reportId: string): Promise<ReportView> {
  const row = await readReportRow(sql, reportId);
  if (row === undefined) throw reportUnknown();
  return row;
}

/** The signed bundle, byte for byte. Throws `report_unknown` (404), `report_not_ready` (409). */
export async function readReportBundle(ports: ReadPorts, reportId: string): Promise<string> {
  const bundle = await readBundleText(ports.sql, reportId);
  return bundle ?? refuse(ports, reportId);
}

/** Throws `report_unknown` (404), `report_not_ready` (409). */
export async function readReportPdf(ports: ReadPorts, reportId: string): Promise<Buffer> {
  const pdf = await readPdfBytes(ports.sql, reportId);
  return pdf ?? refuse(ports, reportId);
}

/** One row for each control. Throws `report_unknown` (404), `report_not_ready` (409). */
export async function readReportCsv(ports: ReadPorts, reportId: string): Promise<string> {
  return csvOf(reportBundle.parse(JSON.parse(await readReportBundle(ports, reportId))));
}

async function refuse(ports: ReadPorts, reportId: string): Promise<never> {
  await readReport(ports, reportId);
  throw reportNotReady({ retryAfterSeconds: 5 });
}

const COLUMNS = [
  'control_id',
  'clause',
  'profile',
  'requirement',
  'kind',
  'status',
  'reason',
  'population',
  'sampled',
  'exception_count',
  'exceptions',
  'observed_sha256',
  'attester',
  'expires_at',
  'ended_at',
  'item_sha256',
  'event_id',
  'seq',
] as const;

/** RFC 4180. A value that a spreadsheet would run as a formula gets a leading apostrophe. */
const cell = (value: string | number | null): string => {
  const text = value === null ? '' : String(value);
  const safe = /^[=+\-@\t\r]/.test(text) && typeof value === 'string' ? `'${text}` : text;
  return /[",\r\n']/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
};

/** The evidence of a report as CSV, one row for each control. */
export function csvOf({ report }: ReportBundle): string {
  const proofs = new Map(report.proofs.map((proof) => [proof.control_id, proof]));
  const rows = report.controls.map(({ check, attestation, ...item }) => {
    const proof = proofs.get(item.control_id);
    const values: Record<(typeof COLUMNS)[number], string | number | null> = {
      control_id: item.control_id,
      clause: item.clause,
      profile: item.profile,
      requirement: item.requirement,
      kind: item.kind,
      status: item.status,
      reason: item.reason,
      population: check?.population ?? null,
      sampled: check?.sampled ?? null,
      exception_count: check?.exception_count ?? null,
      exceptions: check?.exceptions.map(({ resource, why }) => `${resource}: ${why}`).join('; ') ?? null,
      observed_sha256: check?.observed_sha256 ?? null,
      attester: attestation?.attester ?? null,
      expires_at: attestation?.expires_at ?? null,
      ended_at: check?.ended_at ?? attestation?.attested_at ?? null,
      item_sha256: proof?.item_sha256 ?? null,
      event_id: proof?.event_id ?? null,
      seq: proof?.seq ?? null,
    };
    return COLUMNS.map((column) => cell(values[column])).join(',');
  });
  return `${[COLUMNS.join(','), ...rows].join('\r\n')}\r\n`;
}
