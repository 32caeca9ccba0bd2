import { beforeAll, expect, test } from 'vitest';
import { sealEvents } from '#services/core/audit/seal/seal-events.ts';
import { createLogHarness, giveKeys } from '#tools/testing/harness/log.ts';
import { testCaller } from '#tools/testing/harness/ports.ts';
import { createTestDatabase } from '#tools/testing/harness/stores.ts';
import { opened } from '#tools/testing/opened.ts';
import { runCli } from '#tools/testing/processes/run-cli.ts';
import { testFolder } from '#tools/testing/test-folder.ts';

const folder = testFolder();
const database = opened(createTestDatabase);
const harness = opened(() => createLogHarness(database.url, { dataDir: folder }));
beforeAll(async () => {
  await giveKeys(harness);
});

type CheckResult = { readonly result: string; readonly evidence: string; readonly fix?: string };

/** What doctor says of the log and of its sinks. */
async function doctor(env: Readonly<Record<string, string>> = {}): Promise<{ log: CheckResult; sinks: CheckResult }> {
  const { out } = await runCli(['doctor', '--json'], {
    DATABASE_URL: database.url,
    SALLYPORT_DATA_DIR: folder,
    ...env,
  });
  const checks = JSON.parse(out).checks as (CheckResult & { name: string })[];
  const named = (name: string): CheckResult => checks.find((check) => check.name === name) as CheckResult;
  return { log: named('audit log'), sinks: named('audit sinks') };
}

test('shows that nothing is sealed yet, then the sealed events and the size at each sink', async () => {
  expect((await doctor()).log).toMatchObject({ result: 'warn', evidence: 'nothing has been sealed yet' });
  await harness.emit(5);
  const { size } = await sealEvents(harness, {}, testCaller);
  await harness.checkpointOutbox.settled();
  const { log, sinks } = await doctor();
  expect(log).toEqual({
    name: 'audit log',
    result: 'pass',
    evidence: `sallyport.test/audit has ${size} events, ${size} of them signed, 0 waiting`,
  });
  expect(sinks).toMatchObject({ result: 'pass', evidence: `file; file has ${size}` });
});

test('warns if no head leaves the machine', async () =>
  expect((await doctor({ AUDIT_CHECKPOINT_SINKS: '' })).sinks).toMatchObject({
    result: 'warn',
    fix: 'set AUDIT_CHECKPOINT_SINKS to file, witness or s3',
  }));

test('fails if a sink fails, events wait too long, or sealing has stopped', async () => {
  await harness.raw`UPDATE audit_sinks SET failing_since = '2026-01-01T00:00:00Z'`;
  expect((await doctor()).sinks).toMatchObject({
    result: 'fail',
    evidence: 'file has failed since 2026-01-01T00:00:00.000000Z',
  });
  await harness.raw`UPDATE audit_sinks SET failing_since = NULL`;
  await harness.raw`INSERT INTO audit_outbox (type, outcome, actor_kind, occurred_at)
    VALUES ('test.late', 'ok', 'system', clock_timestamp() - interval '5 minutes')`;
  expect((await doctor()).log).toMatchObject({
    result: 'fail',
    evidence: expect.stringMatching(/, the oldest for \d{3} s$/),
  });
  await sealEvents(harness, {}, testCaller);
  const mark = (await harness.logMark.read())!;
  await harness.logMark.swap(mark, { ...mark, size: mark.size + 3 });
  expect((await doctor()).log).toMatchObject({
    result: 'fail',
    evidence: expect.stringMatching(/sealing has stopped \(database_behind\)$/),
    fix: expect.stringContaining('sallyport audit continue'),
  });
});

test('reports an unreachable database once, and the checks that need it refer to that', async () => {
  const { code, out } = await runCli(['doctor', '--json'], {
    DATABASE_URL: 'postgresql://absent@127.0.0.1:1/none',
    SALLYPORT_DATA_DIR: folder,
    KEY_ENCRYPTION_KEY: Buffer.alloc(32, 5).toString('base64'),
  });
  expect(code).toBe(1);
  const evidence = (JSON.parse(out).checks as CheckResult[]).map((check) => check.evidence);
  expect(evidence.filter((text) => /PostgreSQL at .* does not answer/.test(text))).toHaveLength(1);
  expect(evidence.filter((text) => text === 'not checked: see postgres').length).toBeGreaterThan(3);
});
