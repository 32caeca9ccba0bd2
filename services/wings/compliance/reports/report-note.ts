import { createHash } from 'node:crypto';
import { canonicalJson, type Json } from '#services/core/audit/log/canonical-json.ts';
import { type NoteSigner, signNote } from '#services/core/audit/log/note.ts';
import type { ReportDocument } from './report-shapes.ts';

/** SHA-256 of the canonical JSON (RFC 8785) of a value, in hex. */
export const digestOf = (value: unknown): string =>
  createHash('sha256')
    .update(canonicalJson(value as Json))
    .digest('hex');

/**
 * What the key of the audit log signs for a report. The second line is no number, so that no verifier of the log reads
 * it as a checkpoint.
 */
export const noteTextOf = (report: Pick<ReportDocument, 'origin' | 'report_id'>, sha256: string): string =>
  `${report.origin}/compliance-report\nreport ${report.report_id}\nsha256 ${sha256}\n`;

/** The bundle of a report: canonical JSON, one line. */
export function signReport(
  report: ReportDocument,
  signers: readonly NoteSigner[],
): { readonly bundle: string; readonly sha256: string } {
  const sha256 = digestOf(report);
  const note = signNote(noteTextOf(report, sha256), signers);
  return { bundle: `${canonicalJson({ note, report } as unknown as Json)}\n`, sha256 };
}
