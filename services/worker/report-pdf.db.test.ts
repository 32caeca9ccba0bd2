import { afterAll, beforeAll, expect, test } from 'vitest';
import { type ComplianceHarness, openComplianceHarness, systemCaller } from '../wings/compliance/compliance-harness.ts';
import { controls } from '../wings/compliance/controls/all.ts';
import { advanceReports } from '../wings/compliance/reports/advance-reports.ts';
import { readReport, readReportBundle, readReportPdf } from '../wings/compliance/reports/read-report.ts';
import { requestReport } from '../wings/compliance/reports/request-report.ts';
import { renderReportPdf } from './report-pdf.ts';

let harness: ComplianceHarness;
beforeAll(async () => {
  harness = await openComplianceHarness();
  await harness.emit(1);
  await harness.seal();
});
afterAll(() => harness?.end());

test('the same report gives the same bytes, tagged, with a title and a language', async () => {
  const { report_id } = await requestReport(harness, {}, systemCaller);
  const advance = () =>
    advanceReports(harness.portsWith(), { signal: new AbortController().signal, controls }, systemCaller);
  await advance();
  await harness.seal();
  await advance();
  const bundle = JSON.parse(await readReportBundle(harness, report_id));
  const sha256 = (await readReport(harness, report_id)).sha256 ?? '';
  const stored = await readReportPdf(harness, report_id);
  const again = Buffer.from(await renderReportPdf({ ...bundle, sha256 }));
  expect(again.equals(stored)).toBe(true);
  const text = stored.toString('latin1');
  for (const mark of [
    '/MarkInfo',
    '/StructTreeRoot',
    '/Lang',
    '/DisplayDocTitle true',
    '/S /Table',
    '/S /TR',
    '/S /H1',
  ])
    expect(text).toContain(mark);
  expect(stored.length).toBeLessThan(1_000_000);
});
