import { inflateSync } from 'node:zlib';
import { beforeAll, expect, test } from 'vitest';
import { opened } from '#tools/testing/opened.ts';
import { openComplianceHarness, systemCaller } from '../wings/compliance/compliance-harness.ts';
import { controls } from '../wings/compliance/controls/all.ts';
import { advanceReports } from '../wings/compliance/reports/advance-reports.ts';
import { readReport, readReportBundle, readReportPdf } from '../wings/compliance/reports/read-report.ts';
import type { ReportItem } from '../wings/compliance/reports/report-shapes.ts';
import { requestReport } from '../wings/compliance/reports/request-report.ts';
import { renderReportPdf } from './report-pdf.ts';

const MARKS = ['/MarkInfo', '/StructTreeRoot', '/Lang', '/DisplayDocTitle true', '/S /Table', '/S /TR', '/S /H1'];
const ORGANISATION = 'Praxis am Markt';
const harness = opened(() => openComplianceHarness());
beforeAll(async () => {
  await harness.emit(1);
  await harness.seal();
});

/** The text of each page, in the order in which it is drawn. */
const pagesOf = (pdf: Buffer): string[] =>
  [...pdf.toString('latin1').matchAll(/FlateDecode\n>>\nstream\n(.*?)\nendstream/gs)].map(([, packed = '']) =>
    inflateSync(Buffer.from(packed, 'latin1'))
      .toString('latin1')
      .replaceAll(/<([0-9a-f]+)>|(TJ)|./gs, (_, hex = '', end) =>
        end ? ' ' : Buffer.from(hex, 'hex').toString('latin1'),
      ),
  );

test('the same report gives the same bytes, tagged: first what failed, why, and what to do; pages have numbers', async () => {
  const { report_id } = await requestReport(harness, {}, systemCaller);
  const advance = () =>
    advanceReports(harness.portsWith(), { signal: new AbortController().signal, controls }, systemCaller);
  await advance();
  await harness.seal();
  await advance();
  const bundle = JSON.parse(await readReportBundle(harness, report_id));
  const sha256 = (await readReport(harness, report_id)).sha256 ?? '';
  const stored = await readReportPdf(harness, report_id);
  const again = Buffer.from(await renderReportPdf({ ...bundle, sha256 }, ORGANISATION));
  expect(again.equals(stored)).toBe(true);
  const text = stored.toString('latin1');
  for (const mark of MARKS) expect(text).toContain(mark);
  const pages = pagesOf(stored);
  for (const [at, page] of pages.entries())
    expect(page).toMatch(new RegExp(`of ${ORGANISATION}, [-\\d]{10} Page ${at + 1} of ${pages.length} $`));
  const failed = bundle.report.controls.filter(({ status }: ReportItem) => status === 'fail');
  const [first = ''] = pages.join(' ').split('Everything else');
  expect(pages[0]).toContain(failed[0].title);
  for (const { title, human_duty: duty } of failed)
    for (const text of [title, duty]) expect(first).toContain(text.slice(0, 30));
  expect(stored.length).toBeLessThan(1_000_000);
});
