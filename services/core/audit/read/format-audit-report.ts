import { canonicalJson, type Json } from '../log/canonical-json.ts';
import type { AuditEventView } from './event-view.ts';
import type { AuditReport } from './generate-audit-report.ts';

export async function* auditReportJson(report: AuditReport): AsyncGenerator<string> {
  const { start, end, generatedAt, throughSeq, total, counts, unsealed } = report;
  const head = { start, end, generated_at: generatedAt, through_seq: throughSeq, total, counts, unsealed };
  yield `${JSON.stringify(head).slice(0, -1)},"events":[`;
  let separator = '\n';
  for await (const event of report.rows()) {
    yield `${separator}${JSON.stringify(event)}`;
    separator = ',\n';
  }
  yield '\n]}\n';
}

const COLUMNS: readonly (readonly [string, (event: AuditEventView) => string | number | null])[] = [
  ['seq', (event) => event.seq],
  ['event_id', (event) => event.event_id],
  ['occurred_at', (event) => event.occurred_at],
  ['sealed_at', (event) => event.sealed_at],
  ['type', (event) => event.type],
  ['outcome', (event) => event.outcome],
  ['actor_kind', (event) => event.actor.kind],
  ['actor_id', (event) => event.actor.id],
  ['target_kind', (event) => event.target?.kind ?? null],
  ['target_id', (event) => event.target?.id ?? null],
  ['client_id', (event) => event.client_id],
  ['trace_id', (event) => event.trace_id],
  ['detail', (event) => canonicalJson(event.detail as Json)],
];

/** Formats a report as RFC 4180 CSV with a header line, line by line. */
export async function* auditReportCsv(report: AuditReport): AsyncGenerator<string> {
  yield `${COLUMNS.map(([name]) => name).join(',')}\r\n`;
  for await (const event of report.rows()) yield `${COLUMNS.map(([, read]) => cell(read(event))).join(',')}\r\n`;
}

function cell(value: string | number | null): string {
  if (value === null) return '';
  // A spreadsheet evaluates a cell that begins like a formula, and callers can choose ids of targets.
  const text = typeof value === 'string' && /^[=+\-@\t\r]/.test(value) ? `'${value}` : String(value);
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}
