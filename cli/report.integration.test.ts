import { randomUUID } from 'node:crypto';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, expect, test } from 'vitest';
import { opened } from '#tools/testing/opened.ts';
import { openComplianceHarness, systemCaller } from '../services/wings/compliance/compliance-harness.ts';
import { advanceReports } from '../services/wings/compliance/reports/advance-reports.ts';
import { threeControls } from '../services/wings/compliance/reports/report-harness.ts';
import { runCli } from '../tools/testing/processes/run-cli.ts';

const harness = opened(() => openComplianceHarness());
beforeAll(async () => {
  await harness.emit(1);
  await harness.seal();
});

const sallyport = (...args: readonly string[]) =>
  runCli(['report', ...args], {
    DATABASE_URL: harness.databaseUrl,
    SALLYPORT_DATA_DIR: harness.dataDir,
    KEY_ENCRYPTION_KEY: Buffer.alloc(32, 7).toString('base64'),
  });
async function work(): Promise<void> {
  const advance = () =>
    advanceReports(
      harness.portsWith(),
      { signal: new AbortController().signal, controls: threeControls },
      systemCaller,
    );
  await advance();
  await harness.seal();
  await advance();
}

test('a report is requested, listed, shown as files and verified offline; a changed item fails with exit 1 and its name', async () => {
  const asked = await sallyport('run', '--wait', '0', '--json');
  expect(asked.code, asked.err).toBe(0);
  const { report_id: id, status } = JSON.parse(asked.out);
  expect(status).toBe('queued');
  expect((await sallyport('show', id, '--bundle', join(harness.dataDir, 'early.json'))).code).toBe(5);
  await work();
  expect((await sallyport('list')).out).toContain(id);
  const [bundle, pdf, csv] = ['report.json', 'report.pdf', 'evidence.csv'].map((name) =>
    join(harness.dataDir, name),
  ) as [string, string, string];
  expect((await sallyport('show', id, '--bundle', bundle, '--pdf', pdf, '--csv', csv)).code).toBe(0);
  expect((await readFile(pdf)).subarray(0, 5).toString()).toBe('%PDF-');
  expect((await readFile(csv, 'utf8')).split('\r\n')[0]).toContain('control_id,clause');

  const text = await readFile(bundle, 'utf8');
  const [vkey] = JSON.parse(text).report.vkeys;
  const good = await sallyport('verify', bundle, '--vkey', vkey, '--json');
  expect([good.code, JSON.parse(good.out)]).toMatchObject([0, { valid: true, pinned: true, report_id: id }]);
  const unpinned = await sallyport('verify', bundle);
  expect([unpinned.code, unpinned.err]).toEqual([0, expect.stringContaining('come from the bundle itself')]);
  await writeFile(bundle, text.replace('"population_of":"users"', '"population_of":"Users"'));
  const bad = await sallyport('verify', bundle, '--vkey', vkey);
  expect([bad.code, bad.err]).toEqual([1, expect.stringContaining('subjects-unique')]);
  expect((await sallyport('verify', join(harness.dataDir, 'absent.json'))).code).toBe(2);
});

test('run fails where no worker builds the report in time, and a dry run requests nothing', async () => {
  const count = async () => (await harness.raw`SELECT FROM compliance_reports`).length;
  const before = await count();
  expect((await sallyport('run', '--dry-run')).err).toContain('would request a compliance report');
  expect(await count()).toBe(before);
  const late = await sallyport('run', '--wait', '1');
  expect([late.code, late.err]).toEqual([1, expect.stringContaining('queued')]);
  expect((await sallyport('show', randomUUID())).err).toContain('report_unknown');
});
