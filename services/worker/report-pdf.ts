import PDFDocument from 'pdfkit';
import type { WorkerPorts } from '#jobs/processors.ts';

type Signed = Parameters<WorkerPorts['renderReport']>[0];
type ReportDocument = Signed['report'];
type ReportItem = ReportDocument['controls'][number];
type Pdf = InstanceType<typeof PDFDocument>;
type Section = ReturnType<Pdf['struct']>;

const MARGIN = 50;
const WIDTH = 495;
const BOTTOM = 770;
/** Left edge and width of the columns: clause, control, kind, status, evidence. */
const COLUMNS = [
  [50, 88],
  [142, 178],
  [324, 66],
  [394, 70],
  [468, 77],
] as const;

/** The fonts of every PDF reader have the characters of Windows-1252 only. */
const printable = (text: string): string =>
  text.replaceAll(/[^\x20-\x7e\xa0-\xff\u2013\u2014\u2018\u2019\u201c\u201d\u2026]/g, '?');

/**
 * Draws a report as tagged PDF 1.7. Times come from the report and nothing from the clock, so that the same report gives
 * the same bytes.
 */
export async function renderReportPdf({ report, note, sha256 }: Signed): Promise<Uint8Array> {
  const pdf = new PDFDocument({
    size: 'A4',
    margin: MARGIN,
    pdfVersion: '1.7',
    tagged: true,
    lang: 'en-US',
    displayTitle: true,
    info: {
      Title: `Compliance evidence ${report.built_at.slice(0, 10)}`,
      Creator: `Sallyport ${report.release}`,
      Producer: 'Sallyport',
      CreationDate: new Date(report.built_at),
      ModDate: new Date(report.built_at),
    },
  });
  const parts: Buffer[] = [];
  pdf.on('data', (part: Buffer) => parts.push(part));
  const ended = new Promise<void>((resolve) => pdf.on('end', resolve));
  const root = pdf.struct('Document');
  pdf.addStructure(root);
  drawSummary(pdf, root, report, { note, sha256 });
  drawControls(pdf, root, report.controls);
  drawExceptions(pdf, root, report.controls);
  drawDuties(pdf, root, report.controls);
  root.end();
  pdf.end();
  await ended;
  return Buffer.concat(parts);
}

function heading(pdf: Pdf, root: Section, level: 'H1' | 'H2', text: string): void {
  const size = level === 'H1' ? 20 : 14;
  if (pdf.y > BOTTOM - 60) pdf.addPage();
  root.add(
    pdf.struct(level, {}, () => {
      pdf.font('Helvetica-Bold').fontSize(size).text(printable(text), MARGIN, pdf.y, { width: WIDTH });
    }),
  );
  pdf.moveDown(0.4);
}

function paragraph(pdf: Pdf, root: Section, text: string, size = 10): void {
  root.add(
    pdf.struct('P', {}, () => {
      pdf.font('Helvetica').fontSize(size).text(printable(text), MARGIN, pdf.y, { width: WIDTH });
    }),
  );
  pdf.moveDown(0.5);
}

function drawSummary(
  pdf: Pdf,
  root: Section,
  report: ReportDocument,
  { note, sha256 }: Pick<Signed, 'note' | 'sha256'>,
): void {
  const { summary, previous } = report;
  heading(pdf, root, 'H1', 'Compliance evidence');
  paragraph(pdf, root, report.disclaimer);
  const scheduled = report.period === null ? 'on demand' : `${report.kind}, for ${report.period}`;
  paragraph(
    pdf,
    root,
    `Report ${report.report_id} (${scheduled}), requested by ${report.requested_by} at ${report.requested_at}, built at ${report.built_at} by Sallyport ${report.release}.`,
  );
  heading(pdf, root, 'H2', 'Summary');
  paragraph(
    pdf,
    root,
    `${report.controls.length} controls: ${summary.pass} passed, ${summary.fail} failed, ${summary.error} contradicted themselves, ${summary.unknown} unknown, ${summary.not_applicable} not applicable.`,
    12,
  );
  paragraph(
    pdf,
    root,
    'Unknown and not applicable are not passes: nothing is known, or there is nothing yet that the control is about.',
  );
  heading(pdf, root, 'H2', 'Changes since the report before');
  if (previous === null) paragraph(pdf, root, 'This is the first report.');
  else if (previous.changes.length === 0) paragraph(pdf, root, `No status changed since report ${previous.report_id}.`);
  else
    for (const { control_id, before, after } of previous.changes)
      paragraph(pdf, root, `${control_id}: ${before ?? 'not in the report'} to ${after ?? 'not in the report'}`);
  heading(pdf, root, 'H2', 'How to verify it');
  paragraph(
    pdf,
    root,
    `The bundle of this report is signed by the key of the audit log ${report.origin}. Run: sallyport report verify FILE --vkey KEY. The SHA-256 of its canonical JSON is ${sha256}. The signature is:`,
  );
  paragraph(pdf, root, note.trim().split('\n').at(-1) ?? '', 8);
}

const evidenceText = ({ check, attestation }: ReportItem): string => {
  if (check !== null) return `${check.sampled} of ${check.population}, ${check.exception_count} exceptions`;
  return attestation === null ? 'no attestation' : `until ${attestation.expires_at.slice(0, 10)}`;
};

function drawControls(pdf: Pdf, root: Section, items: readonly ReportItem[]): void {
  pdf.addPage();
  heading(pdf, root, 'H2', 'Controls');
  const table = pdf.struct('Table');
  root.add(table);
  drawRow(pdf, table, ['Clause', 'Control', 'Kind', 'Status', 'Evidence'], 'TH');
  for (const item of items)
    drawRow(
      pdf,
      table,
      [
        `${item.clause}${item.profile === 'proposed' ? ' (proposed)' : ''}`,
        item.title,
        `${item.kind}, ${item.requirement}`,
        item.status.replaceAll('_', ' '),
        evidenceText(item),
      ],
      'TD',
    );
  table.end();
  pdf.y += 16;
}

function drawRow(pdf: Pdf, table: Section, cells: readonly string[], kind: 'TH' | 'TD'): void {
  pdf.font(kind === 'TH' ? 'Helvetica-Bold' : 'Helvetica').fontSize(8);
  const texts = cells.map(printable);
  const height = Math.max(...texts.map((text, at) => pdf.heightOfString(text, { width: COLUMNS[at]?.[1] ?? 0 })));
  if (pdf.y + height > BOTTOM) {
    pdf.addPage();
    pdf.y = MARGIN;
  }
  const top = pdf.y;
  const row = pdf.struct('TR');
  table.add(row);
  for (const [at, text] of texts.entries()) {
    const [left, width] = COLUMNS[at] as readonly [number, number];
    row.add(
      pdf.struct(kind, {}, () => {
        pdf.text(text, left, top, { width });
      }),
    );
  }
  row.end();
  pdf.y = top + height + 5;
}

function drawExceptions(pdf: Pdf, root: Section, items: readonly ReportItem[]): void {
  heading(pdf, root, 'H2', 'Exceptions');
  const open = items.filter(({ status }) => status !== 'pass' && status !== 'not_applicable');
  if (open.length === 0) paragraph(pdf, root, 'No control failed, contradicted itself or is unknown.');
  for (const { control_id, status, reason, check } of open) {
    const listed = check?.exceptions.map(({ resource, why }) => `${resource}: ${why}`) ?? [];
    const rest = (check?.exception_count ?? 0) - listed.length;
    const more = rest > 0 ? [`and ${rest} more`] : [];
    const details = listed.length > 0 ? [...listed, ...more].join('; ') : (reason ?? '');
    paragraph(pdf, root, `${control_id} (${status}): ${details}`, 9);
  }
}

function drawDuties(pdf: Pdf, root: Section, items: readonly ReportItem[]): void {
  heading(pdf, root, 'H2', 'What remains the duty of people');
  for (const { clause, human_duty } of items) paragraph(pdf, root, `${clause}: ${human_duty}`, 9);
}
