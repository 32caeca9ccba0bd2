import { afterEach, beforeEach, expect, test } from 'vitest';
import { registry } from '#observability/metrics/instruments.ts';
import { readLogKeys } from '#services/core/keys/log/log-keys.ts';
import type { LogHead } from '#services/core/ports.ts';
import { createLogHarness, TEST_ORIGIN } from '#tools/testing/harness/log.ts';
import { testCaller } from '#tools/testing/harness/ports.ts';
import { hashLeaf } from '../log/merkle.ts';
import { type AuditValidationResult, type OutsideHead, validateAuditTrail } from '../trail/validate-audit-trail.ts';
import { continueLog } from './continue-log.ts';
import { describeLog } from './describe-log.ts';
import { sealEvents } from './seal-events.ts';
import { type CutLog, cutLog, openSealingHarness, type SealingHarness } from './sealing-harness.ts';

let harness: SealingHarness;
let kept: number;
let whole: LogHead;
let cut: CutLog;
beforeEach(async () => {
  harness = await openSealingHarness();
  await harness.emit(18);
  kept = (await harness.seal()).size;
  for (const events of [30, 14]) {
    await harness.emit(events);
    await harness.seal();
  }
  whole = (await harness.logMark.read())!;
  cut = await cutLog(harness.databaseUrl, kept);
});
afterEach(() => harness.end());

const validate = (outside: readonly OutsideHead[]): Promise<AuditValidationResult> =>
  validateAuditTrail({ sql: harness.sql, auditLogKeys: (origin) => readLogKeys(harness, origin) }, outside);
const byMark = async (): Promise<OutsideHead[]> => [
  { where: 'the mark', head: (await harness.logMark.read())!, isMark: true },
  ...(await harness.logMark.readEarlier()).map((head) => ({ where: 'the mark', head })),
];
const codesOf = ({ faults }: AuditValidationResult): string[] => faults.map(({ code }) => code);

/** Forges the leaf that `audit continue` writes, as the owner of the database can. */
async function forgeLeaf(lost: LogHead): Promise<void> {
  const leaf = Buffer.from(JSON.stringify({ type: 'audit.log_continued', detail: { held: cut.held, lost } }));
  const hash = hashLeaf(leaf).toString('hex');
  await harness.asSuperuser(
    `INSERT INTO audit_events (seq, event_id, type, outcome, actor_kind, detail, occurred_at, sealed_at, leaf)
     VALUES (${kept}, gen_random_uuid(), 'audit.log_continued', 'ok', 'system', '{}', now(), now(), '\\x${leaf.toString('hex')}')`,
    `INSERT INTO audit_tiles (origin, level, n, hashes) VALUES ('${cut.origin}', 0, 0, '\\x${hash}')`,
    `UPDATE audit_log SET size = 1, root = '\\x${hash}', previous_size = ${lost.size}, previous_root = decode('${lost.root}', 'base64')
     WHERE closed_at IS NULL`,
  );
}

test('a running sealer stops when another log replaced its own; the mark stays, and events are still accepted', async () => {
  await harness.emit(3);
  for (let again = 0; again < 2; again += 1)
    expect(await harness.seal()).toMatchObject({ sealed: 0, stopped: 'log_forged_continuation' });
  expect(await harness.logMark.read()).toEqual(whole);
  await harness.emit(50);
  expect(await harness.seal()).toMatchObject({ sealed: 0, backlog: 54 });
  expect(await harness.raw`SELECT 1 FROM audit_checkpoints WHERE origin = ${cut.origin}`).toEqual([]);
  const found =
    await harness.raw`SELECT outcome, detail->'mark' AS mark FROM audit_outbox WHERE type = 'audit.sealing_stopped'`;
  expect(found).toEqual([{ outcome: 'log_forged_continuation', mark: whole }]);
});

test('a sealer started after the replacement stops as well, and so does one without a mark', async () => {
  const started = await createLogHarness(harness.databaseUrl, { dataDir: harness.dataDir });
  expect(await sealEvents(started, {}, testCaller)).toMatchObject({ stopped: 'log_forged_continuation' });
  await started.end();
  await harness.raw`UPDATE audit_log SET stopped_reason = NULL`;
  const markless = await createLogHarness(harness.databaseUrl);
  expect(await sealEvents(markless, {}, testCaller)).toMatchObject({ stopped: 'log_forged_continuation' });
  expect(await markless.logMark.read()).toBeNull();
  await markless.end();
});

test('a forged continuation that has its leaf does not move the mark either', async () => {
  await forgeLeaf(whole);
  await harness.emit(1);
  expect(await harness.seal()).toMatchObject({ sealed: 0, stopped: 'continued_elsewhere' });
  expect(await harness.logMark.read()).toEqual(whole);
  expect(codesOf(await validate(await byMark()))).toContain('log_behind_mark');
});

test('validation reports the forged continuation, and each outside head that the database does not have', async () => {
  expect(await validate([])).toMatchObject({ valid: false, faults: [{ code: 'log_forged_continuation', seq: kept }] });
  expect(codesOf(await validate(await byMark()))).toEqual([
    'log_behind_mark',
    'log_behind_mark',
    'log_forged_continuation',
  ]);
  const published = { where: 'a sink', head: { ...whole, size: kept + 30 } };
  expect((await validate([published])).faults[0]).toMatchObject({
    code: 'log_behind_mark',
    message: expect.stringContaining(
      `the database has ${kept} events of ${TEST_ORIGIN}, and a sink knows ${kept + 30}`,
    ),
  });
});

test('validation reports a head of a log whose row was deleted', async () => {
  await harness.asSuperuser(`DELETE FROM audit_log WHERE closed_at IS NOT NULL`);
  expect(codesOf(await validate([{ where: 'a sink', head: whole }]))).toContain('log_behind_mark');
});

test('the description for operators shows the forged continuation until an operator continues the log', async () => {
  expect(await describeLog(harness)).toMatchObject({
    status: 'log_forged_continuation',
    contradictions: [`${cut.origin} does not begin with audit.log_continued`],
  });
  const { origin } = await continueLog(harness, { reason: 'the evidence is copied' }, testCaller);
  await harness.seal();
  expect(await harness.logMark.readEarlier()).toEqual([whole]);
  expect(codesOf(await validate(await byMark()))).toEqual(['log_forged_continuation']);
  expect(await describeLog(harness)).toMatchObject({ status: 'current', head: { origin } });
});

test('validation reports an accepted loss, which covers no head beyond the one that the operator saw', async () => {
  await harness.asSuperuser(
    `DELETE FROM audit_log WHERE closed_at IS NULL`,
    `UPDATE audit_log SET closed_at = NULL`,
    `DELETE FROM audit_outbox WHERE seq >= ${kept}`,
  );
  expect(await harness.seal()).toMatchObject({ stopped: 'database_behind' });
  const { origin } = await continueLog(harness, { reason: 'restored' }, testCaller);
  await harness.seal();
  const result = await validate(await byMark());
  expect(result).toMatchObject({
    valid: true,
    losses: [{ origin: TEST_ORIGIN, from: kept, to: whole.size - 1, continuedAs: origin }],
  });
  const beyond = { where: 'a sink', head: { ...whole, size: whole.size + 1 } };
  const beside = { where: 'a sink', head: { ...whole, root: cut.held.root } };
  const below = { where: 'a sink', head: { ...cut.held, size: kept - 1 } };
  for (const head of [beyond, beside, below]) expect((await validate([head])).faultCount).toBe(1);
});

test('the metrics show the reason of the stop, and one more log', async () => {
  const valuesOf = (name: string): [string | undefined, number][] =>
    registry
      .collect()
      .filter((metric) => metric.name === name)
      .flatMap(({ series }) => series.map(({ labels, value }) => [labels.reason, value]));
  expect(valuesOf('sallyport_audit_log_origins')).toEqual([[undefined, 1]]);
  await harness.seal();
  expect(valuesOf('sallyport_audit_log_origins')).toEqual([[undefined, 2]]);
  expect(valuesOf('sallyport_audit_sealing_stopped').filter(([, value]) => value === 1)).toEqual([
    ['log_forged_continuation', 1],
  ]);
});
