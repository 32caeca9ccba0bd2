import PDFDocument from 'pdfkit';
import type { WorkerPorts } from '#jobs/processors.ts';

type Signed = Parameters<WorkerPorts['renderReport']>[0];
type ReportDocument = Signed['report'];
type ReportItem = ReportDocument['controls'][number];
type Pdf = InstanceType<typeof PDFDocument>;
type Section = ReturnType<Pdf['struct']>;

const MARGIN = 50;
const WIDTH = 495;
const LAST_HEADING = 710;
const FOOTER = 805;
/** Font and size of what a tag holds. */
const STYLES = {
  H1: ['Helvetica-Bold', 20],
  H2: ['Helvetica-Bold', 14],
  H3: ['Helvetica-Bold', 10],
  P: ['Helvetica', 10],
} as const;
/** What is listed after the failed controls: the unknown first. */
const REST = ['unknown', 'not_applicable', 'pass'] as const;
const TITLES = ['Clause', 'Control', 'Kind', 'Status', 'Evidence'];
const WIDTHS = [88, 154, 64, 60, 129];
const ABSENT = 'not in the report';

/** The fonts of every PDF reader have the characters of Windows-1252 only. */
const printable = (text: string): string =>
  text.replaceAll(/[^\x20-\x7e\xa0-\xff\u2013\u2014\u2018\u2019\u201c\u201d\u2026]/g, '?');

/**
 * Draws a report as tagged PDF 1.7, what failed first. Times come from the report and nothing from the clock, so that the
 * same report gives the same bytes.
 * @param organisation whose report it is: the bundle names no one, and its form is closed to new members
 */
export async function renderReportPdf(signed: Signed, organisation: string): Promise<Uint8Array> {
  const { report } = signed;
  const title = `Compliance evidence of ${organisation}, ${report.built_at.slice(0, 10)}`;
  const pdf = new PDFDocument({
    size: 'A4',
    margin: MARGIN,
    pdfVersion: '1.7',
    tagged: true,
    bufferPages: true,
    lang: 'en-US',
    displayTitle: true,
    info: {
      Title: title,
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
  const rest = REST.flatMap((status) => report.controls.filter((item) => item.status === status));
  const failed = report.controls.filter((item) => !rest.includes(item));
  draw(pdf, root, 'H1', title);
  drawFailed(pdf, root, report.summary, failed);
  drawControls(pdf, root, rest);
  for (const [name = '', ...texts] of sectionsOf(signed, rest)) {
    draw(pdf, root, 'H2', name);
    for (const text of texts) draw(pdf, root, 'P', text);
  }
  root.end();
  drawFooters(pdf, title);
  pdf.end();
  await ended;
  return Buffer.concat(parts);
}

function draw(pdf: Pdf, root: Section, tag: keyof typeof STYLES, text: string): void {
  const [font, size] = STYLES[tag];
  if (tag !== 'P' && pdf.y > LAST_HEADING) pdf.addPage();
  const drawn = () => void pdf.font(font, size).text(printable(text), MARGIN, pdf.y, { width: WIDTH });
  root.add(pdf.struct(tag, {}, drawn));
  pdf.moveDown(0.5);
}

/** What is wrong, why, and what to do: before everything else. */
function drawFailed(pdf: Pdf, root: Section, summary: ReportDocument['summary'], failed: readonly ReportItem[]): void {
  const { pass, fail, error, unknown, not_applicable: notApplicable } = summary;
  const says = `${fail} controls failed, ${error} contradicted themselves, ${unknown} unknown, ${notApplicable} not applicable, ${pass} passed. Unknown and not applicable are not passes: nothing is known, or there is nothing yet that the control is about.`;
  draw(pdf, root, 'P', says);
  draw(pdf, root, 'H2', 'What failed');
  if (failed.length === 0) draw(pdf, root, 'P', 'No control failed or contradicted itself.');
  for (const item of failed) {
    draw(pdf, root, 'H3', `${item.title} (${clauseOf(item)}, ${item.control_id})`);
    draw(pdf, root, 'P', `Cause: ${causeOf(item)}`);
    draw(pdf, root, 'P', `What to do: ${item.human_duty}`);
    pdf.moveDown(0.3);
  }
}

/** What follows the controls, each with its heading. */
function sectionsOf({ report, note, sha256 }: Signed, rest: readonly ReportItem[]): readonly (readonly string[])[] {
  const { previous, report_id: id, origin, release } = report;
  const changes = previous?.changes.map(
    ({ control_id, before, after }) => `${control_id}: ${before ?? ABSENT} to ${after ?? ABSENT}`,
  ) ?? ['This is the first report.'];
  const scheduled = report.period === null ? 'on demand' : `${report.kind}, for ${report.period}`;
  return [
    ['Changes since the report before', ...(changes.length > 0 ? changes : ['No status changed.'])],
    ['What remains the duty of people', ...rest.map(({ clause, human_duty }) => `${clause}: ${human_duty}`)],
    [
      'What this report is',
      report.disclaimer,
      `Report ${id} (${scheduled}), requested by ${report.requested_by} at ${report.requested_at}, built at ${report.built_at} by Sallyport ${release}.`,
    ],
    [
      'How to verify it',
      `The bundle of this report is signed by the key of the audit log ${origin}. Run: sallyport report verify FILE --vkey KEY. The SHA-256 of its canonical JSON is ${sha256}. The signature is:`,
      note.trim().split('\n').at(-1) ?? '',
    ],
  ];
}

/** On each page, outside of the text that a screen reader reads. */
function drawFooters(pdf: Pdf, title: string): void {
  const { count } = pdf.bufferedPageRange();
  for (let page = 0; page < count; page += 1) {
    pdf.switchToPage(page);
    pdf.markContent('Artifact', { type: 'Pagination' });
    const place = `Page ${page + 1} of ${count}`;
    pdf.font('Helvetica', 8).text(printable(title), MARGIN, FOOTER, { lineBreak: false });
    pdf.text(place, MARGIN + WIDTH - pdf.widthOfString(place), FOOTER, { lineBreak: false });
    pdf.endMarkedContent();
  }
}

const clauseOf = ({ clause, profile }: ReportItem): string => `${clause}${profile === 'proposed' ? ' (proposed)' : ''}`;

/** Why a control has its status: what breaks it, or what was said instead. */
function causeOf({ reason, check, status }: ReportItem): string {
  const listed = check?.exceptions.map(({ resource, why }) => `${resource}: ${why}`) ?? [];
  const more = (check?.exception_count ?? 0) - listed.length;
  if (listed.length === 0) return reason ?? status;
  return [...listed, ...(more > 0 ? [`and ${more} more`] : [])].join('; ');
}

const evidenceText = ({ reason, check, attestation }: ReportItem): string => {
  if (reason !== null) return reason;
  if (check !== null) return `${check.sampled} of ${check.population}, ${check.exception_count} exceptions`;
  return `confirmed until ${attestation?.expires_at.slice(0, 10)}`;
};

function drawControls(pdf: Pdf, root: Section, items: readonly ReportItem[]): void {
  draw(pdf, root, 'H2', 'Everything else');
  const rows = items.map((item) => [
    clauseOf(item),
    item.title,
    `${item.kind}, ${item.requirement}`,
    item.status.replaceAll('_', ' '),
    evidenceText(item),
  ]);
  const titles = TITLES.map((text) => ({ text, type: 'TH' as const, font: { src: 'Helvetica-Bold' } }));
  // The declared type of a table has no parent, without which it is not tagged.
  const table = {
    structParent: root,
    columnStyles: WIDTHS,
    defaultStyle: { border: false as const, padding: [2, 4, 2, 0] as [number, number, number, number] },
    data: [titles, ...rows.map((cells) => cells.map(printable))],
  };
  pdf.font('Helvetica', 8).table(table);
  pdf.moveDown(1);
}
