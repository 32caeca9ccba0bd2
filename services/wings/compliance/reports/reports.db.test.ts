import { randomUUID } from 'node:crypto';
import { beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { readVkeysOf } from '#services/core/audit/read/read-log.ts';
import { defineStatement } from '#services/platform/define/statement.ts';
import { TEST_ORIGIN } from '#tools/testing/harness/log.ts';
import { opened } from '#tools/testing/opened.ts';
import { outcomeOf } from '#tools/testing/outcome.ts';
import { killedEverywhere } from '#tools/testing/processes/killable.ts';
import { attestControl } from '../attest-control.ts';
import { openComplianceHarness, systemCaller } from '../compliance-harness.ts';
import { controls } from '../controls/all.ts';
import { readControls } from '../list-controls.ts';
import { advanceReports } from './advance-reports.ts';
import { csvOf, listReports, readReport, readReportBundle, readReportCsv, readReportPdf } from './read-report.ts';
import { threeControls, twoControls } from './report-harness.ts';
import type { ReportBundle } from './report-shapes.ts';
import { insertScheduledReports } from './reports.store.ts';
import { cancelReport, requestReport } from './request-report.ts';
import { verifyBundle } from './verify-bundle.ts';

const harness = opened(() => openComplianceHarness());
let vkeys: string[];
beforeAll(async () => {
  await harness.raw`INSERT INTO users (id, email) VALUES ('ada', 'ada@people.test')`;
  await harness.emit(3);
  await harness.seal();
  vkeys = (await readVkeysOf(harness.portsWith(), TEST_ORIGIN)).trim().split('\n');
});
beforeEach(() =>
  harness.pastTriggers(
    'DELETE FROM compliance_evidence',
    'DELETE FROM compliance_reports',
    'DELETE FROM compliance_attestations',
  ),
);

const { signal } = new AbortController();
const advance = (given = twoControls) => advanceReports(harness.portsWith(), { signal, controls: given }, systemCaller);
/** Collects, seals and builds. */
async function build(given = twoControls): Promise<string> {
  const { report_id } = await requestReport(harness, {}, systemCaller);
  await advance(given);
  await harness.seal();
  await advance(given);
  return report_id;
}
const bundleOf = async (id: string): Promise<ReportBundle> => JSON.parse(await readReportBundle(harness, id));
const evidenceEvents = (id: string) =>
  harness.raw<{ control: string; count: number }>`SELECT target_id AS control, count(*)::int AS count FROM audit_outbox
    WHERE type = 'compliance.evidence_collected' AND detail ->> 'report_id' = ${id} GROUP BY target_id
      ORDER BY target_id`;
const ONCE = [
  { control: 'subjects-unique', count: 1 },
  { control: 'training', count: 1 },
];

describe('a report', () => {
  test('is built unasked, once a day and once a month, and a bundle of it verifies offline', async () => {
    expect(await advance()).toBe(0);
    await harness.seal();
    expect([await advance(), await advance()]).toEqual([2, 0]);
    const { reports } = await listReports(harness, { limit: 10 });
    expect(reports.map(({ kind, status, progress }) => [kind, status, progress]).sort()).toEqual([
      ['daily', 'done', 100],
      ['monthly', 'done', 100],
    ]);
    for (const { report_id } of reports)
      expect(verifyBundle(await readReportBundle(harness, report_id), vkeys)).toMatchObject({
        valid: true,
        pinned: true,
        faults: [],
      });
  });

  test('is of a day of UTC, whatever the time zone of the database is', async () => {
    const zoned = defineStatement('zoned')`SELECT set_config('timezone', $1, true)`;
    for (const zone of ['Pacific/Kiritimati', 'Etc/GMT+12'])
      await harness.transact(async (tx) => {
        await tx.query(zoned, [zone]);
        await insertScheduledReports(tx, [randomUUID(), randomUUID()], 'test');
      });
    const { reports } = await listReports(harness, { limit: 10 });
    expect(reports.map(({ kind }) => kind).sort()).toEqual(['daily', 'monthly']);
  });

  test('waits in its row for the evidence to be sealed', async () => {
    const { report_id } = await requestReport(harness, {}, systemCaller);
    await advance();
    expect(await readReport(harness, report_id)).toMatchObject({ status: 'sealing', progress: 80, sha256: null });
    await expect(readReportBundle(harness, report_id)).rejects.toMatchObject({ code: 'report_not_ready' });
    await harness.seal();
    await advance();
    expect(await readReport(harness, report_id)).toMatchObject({ status: 'done', progress: 100 });
  });

  test('has every control of the product, with its place in the audit log', async () => {
    const id = await build(controls);
    const bundle = await bundleOf(id);
    expect(bundle.report.controls.map(({ control_id }) => control_id)).toEqual(controls.map(({ name }) => name));
    expect(bundle.report.proofs.length).toBe(controls.length);
    expect(verifyBundle(await readReportBundle(harness, id), vkeys).faults).toEqual([]);
    const { summary } = await readReport(harness, id);
    expect(Object.values(summary ?? {}).reduce((sum, count) => sum + count, 0)).toBe(controls.length);
    expect((await readReportCsv(harness, id)).trim().split('\r\n').length).toBe(controls.length + 1);
    expect((await readReportPdf(harness, id)).subarray(0, 8).toString()).toBe('%PDF-1.7');
  });

  test('names what changed since the report before', async () => {
    const first = await build();
    const earlier = (await listReports(harness, { limit: 10 })).reports.map(({ report_id }) => report_id);
    expect(earlier).toContain(first);
    await attestControl(harness, { control_id: 'training', reason: 'course of May' }, systemCaller);
    const { report } = await bundleOf(await build(threeControls));
    expect(report.previous).toMatchObject({
      report_id: expect.toSatisfy((id: string) => earlier.includes(id)),
      changes: expect.arrayContaining([
        { control_id: 'training', before: 'unknown', after: 'pass' },
        { control_id: 'backups-recent', before: null, after: 'fail' },
      ]),
    });
    expect(report.previous?.changes.map(({ control_id }) => control_id)).not.toContain('subjects-unique');
  });

  test('that was cancelled is not built, and cannot be cancelled again', async () => {
    const { report_id } = await requestReport(harness, {}, systemCaller);
    await cancelReport(harness, { report_id, reason: 'test' }, systemCaller);
    await advance();
    expect(await readReport(harness, report_id)).toMatchObject({ status: 'cancelled' });
    expect(await evidenceEvents(report_id)).toEqual([]);
    expect(await outcomeOf(cancelReport(harness, { report_id, reason: 'test' }, systemCaller))).toBe('report_ended');
    expect(await outcomeOf(readReport(harness, '00000000-0000-7000-8000-000000000000'))).toBe('report_unknown');
  });

  test('is not built while it is cancelled between two steps', async () => {
    const { report_id } = await requestReport(harness, {}, systemCaller);
    await advance();
    await harness.seal();
    const ports = harness.portsWith();
    const late = advanceReports(
      {
        ...ports,
        renderReport: async (signed) => {
          await cancelReport(harness, { report_id: signed.report.report_id, reason: 'test' }, systemCaller).catch(
            () => {},
          );
          return ports.renderReport(signed);
        },
      },
      { signal, controls: twoControls },
      systemCaller,
    );
    expect(await late).toBe(0);
    expect(await readReport(harness, report_id)).toMatchObject({ status: 'cancelled', sha256: null });
  });

  test('that could not be finished within a day fails; a younger one is tried again', async () => {
    const { report_id } = await requestReport(harness, {}, systemCaller);
    await advance();
    await harness.seal();
    const ports = { ...harness.portsWith(), renderReport: () => Promise.reject(new Error('no')) };
    await advanceReports(ports, { signal, controls: twoControls }, systemCaller);
    expect(await readReport(harness, report_id)).toMatchObject({ status: 'sealing' });
    await harness.raw`UPDATE compliance_reports SET requested_at = now() - interval '25 hours' WHERE id = ${report_id}`;
    await advanceReports(ports, { signal, controls: twoControls }, systemCaller);
    expect(await readReport(harness, report_id)).toMatchObject({ status: 'failed', failure: 'not_finished_in_time' });
  });

  test('is refused while twenty wait', async () => {
    for (let at = 0; at < 20; at += 1) await requestReport(harness, {}, systemCaller);
    await expect(requestReport(harness, {}, systemCaller)).rejects.toMatchObject({ code: 'reports_busy' });
  });

  test('whose worker is killed at any statement is one report, complete, with each evidence recorded once', async () => {
    // The reports of the day and the month, so that each round has one report only.
    await advance();
    await harness.seal();
    await advance();
    let kills = 0;
    for await (const { killPoint, run } of killedEverywhere({ url: harness.databaseUrl, work: 'report' })) {
      const { report_id } = await requestReport(harness, {}, systemCaller);
      if ((await run()) === null) kills += 1;
      // Other workers continue where the first one died.
      await advance();
      await harness.seal();
      await advance();
      expect([killPoint, await readReport(harness, report_id)]).toMatchObject([killPoint, { status: 'done' }]);
      expect([killPoint, await evidenceEvents(report_id)]).toEqual([killPoint, ONCE]);
      expect([killPoint, verifyBundle(await readReportBundle(harness, report_id), vkeys).faults]).toEqual([
        killPoint,
        [],
      ]);
    }
    expect(kills).toBeGreaterThan(20);
  });
});

describe('a bundle that was altered', () => {
  const altered = async (change: (bundle: { note: string; report: Record<string, never> }) => void) => {
    const bundle = JSON.parse(await readReportBundle(harness, await build(threeControls)));
    change(bundle);
    const { canonicalJson } = await import('#services/core/audit/log/canonical-json.ts');
    return verifyBundle(`${canonicalJson(bundle)}\n`, vkeys);
  };
  type AnyReport = {
    controls: { control_id: string; status: string; check: { population: number; observed: object } | null }[];
    proofs: { control_id: string; leaf: string; proof: string }[];
    summary: { pass: number; fail: number };
  };
  const itemIn = (report: unknown, name: string) =>
    (report as AnyReport).controls.find(({ control_id }) => control_id === name)!;

  test('by one byte fails, wherever the byte is', async () => {
    const text = await readReportBundle(harness, await build());
    expect(verifyBundle(text, vkeys).valid).toBe(true);
    const step = Math.max(1, Math.floor(text.length / 400));
    for (let at = 0; at < text.length; at += step) {
      const byte = text[at] === 'a' ? 'b' : 'a';
      const { valid, faults } = verifyBundle(text.slice(0, at) + byte + text.slice(at + 1), vkeys);
      expect([at, valid, faults.length > 0]).toEqual([at, false, true]);
    }
  });

  test('in one item names the item', async () => {
    const item = await altered(({ report }) => {
      itemIn(report, 'subjects-unique').check!.population += 1;
    });
    expect(item.faults[0]?.item).toBe('subjects-unique');
    const seen = await altered(({ report }) => {
      itemIn(report, 'backups-recent').check!.observed = { archive_mode: 'on' };
    });
    expect(seen.faults[0]).toMatchObject({ item: 'backups-recent', why: expect.stringContaining('saw') });
    const status = await altered(({ report }) => {
      itemIn(report, 'backups-recent').status = 'pass';
      Object.assign((report as unknown as AnyReport).summary, { pass: 2, fail: 0 });
    });
    expect(status.faults[0]?.item).toBe('backups-recent');
    const proof = await altered(({ report }) => {
      const [first, second] = (report as unknown as AnyReport).proofs as [
        AnyReport['proofs'][number],
        AnyReport['proofs'][number],
      ];
      [first.leaf, second.leaf] = [second.leaf, first.leaf];
    });
    expect(proof.faults.length).toBeGreaterThanOrEqual(2);
  });

  test('by removing an item, or by the signature of another key, fails', async () => {
    const removed = await altered(({ report }) => {
      (report as unknown as AnyReport).controls.pop();
    });
    expect(removed.valid).toBe(false);
    expect(removed.faults.map(({ why }) => why)).toContain('the item of this proof is missing');
    const text = await readReportBundle(harness, await build());
    const other = 'sallyport.example/audit+3dbe7488+AepKbGPinFIKvvVQexMuxfmVR3auvr57kkIe6mkURtIs';
    expect(verifyBundle(text, [other]).valid).toBe(false);
    expect(verifyBundle(text)).toMatchObject({ valid: true, pinned: false });
    expect(verifyBundle('not a bundle').faults).toEqual([{ item: 'bundle', why: 'it is not JSON' }]);
  });
});

describe('attestations', () => {
  test('an attestation passes its control until it expires; then the control fails', async () => {
    const statusOf = async () => (await readControls(harness)).find(({ control_id }) => control_id === 'training');
    expect(await statusOf()).toMatchObject({ status: 'unknown', attestation: null });
    const made = await attestControl(harness, { control_id: 'training', reason: 'course of May' }, systemCaller);
    expect(await statusOf()).toMatchObject({ status: 'pass', attestation: made });
    expect(made).toMatchObject({ attester: 'system:test', statement: expect.stringContaining('trained') });
    await harness.pastTriggers(
      `UPDATE compliance_attestations SET attested_at = now() - interval '2 years', expires_at = now() - interval '1 day'`,
    );
    expect(await statusOf()).toMatchObject({ status: 'fail', reason: expect.stringContaining('expired') });
  });

  test('a control that a check decides cannot be attested', async () => {
    for (const controlId of ['subjects-unique', 'absent'])
      await expect(attestControl(harness, { control_id: controlId, reason: 'x' }, systemCaller)).rejects.toMatchObject({
        code: 'control_unknown',
      });
  });
});

describe('retention', () => {
  test('nothing collected, attested or finished changes, and nothing is deleted within six years', async () => {
    await attestControl(harness, { control_id: 'training', reason: 'x' }, systemCaller);
    await build();
    for (const statement of [
      'DELETE FROM compliance_reports',
      'DELETE FROM compliance_evidence',
      'DELETE FROM compliance_attestations',
      `UPDATE compliance_evidence SET item = 'x'`,
      `UPDATE compliance_attestations SET note = 'x'`,
      'UPDATE compliance_reports SET progress = 1',
    ])
      await expect(harness.raw(statement), statement).rejects.toMatchObject({ code: '23001' });
  });

  test('rows older than six years can be deleted, and their evidence goes with them', async () => {
    await build();
    await harness.pastTriggers(
      `UPDATE compliance_reports SET requested_at = now() - interval '7 years'`,
      `UPDATE compliance_evidence SET collected_at = now() - interval '7 years'`,
    );
    await harness.raw`DELETE FROM compliance_reports`;
    expect(await harness.raw`SELECT FROM compliance_evidence`).toEqual([]);
  });
});

test('a value that a spreadsheet would run as a formula is text in the CSV', async () => {
  const bundle = await bundleOf(await build());
  const first = bundle.report.controls[0]!;
  const csv = csvOf({ ...bundle, report: { ...bundle.report, controls: [{ ...first, reason: '=cmd|"x"!A1' }] } });
  expect(csv).toContain(`"'=cmd|""x""!A1"`);
});
