import { join } from 'node:path';
import { beforeAll, expect, test } from 'vitest';
import { sealEvents } from '#services/core/audit/seal/seal-events.ts';
import { type CutLog, cutLog } from '#services/core/audit/seal/sealing-harness.ts';
import type { LogHead } from '#services/core/ports.ts';
import { createFileSink } from '#services/platform/checkpoints/file-sink.ts';
import { createS3Sink } from '#services/platform/checkpoints/s3-sink.ts';
import { startS3Server } from '#tools/testing/fakes/s3-server.ts';
import { createLogHarness, giveKeys, TEST_ORIGIN } from '#tools/testing/harness/log.ts';
import { testCaller } from '#tools/testing/harness/ports.ts';
import { createTestDatabase } from '#tools/testing/harness/stores.ts';
import { opened } from '#tools/testing/opened.ts';
import { runCli } from '#tools/testing/processes/run-cli.ts';
import { testFolder } from '#tools/testing/test-folder.ts';

const folder = testFolder();
let whole: LogHead;
let cut: CutLog;
/** The product is stopped: only the commands run. */
const database = opened(createTestDatabase);
const bucket = opened(startS3Server);
const harness = opened(() =>
  createLogHarness(database.url, {
    dataDir: join(folder, 'data'),
    sinks: [createFileSink(join(folder, 'heads')), createS3Sink(bucket.settings)],
  }),
);
beforeAll(async () => {
  await giveKeys(harness);
  await harness.emit(18);
  const { size: kept } = await sealEvents(harness, {}, testCaller);
  await harness.emit(44);
  await sealEvents(harness, {}, testCaller);
  // Publishes to the bucket directly, because the sink's interval is a minute.
  await createS3Sink(bucket.settings).publish(
    { ...(await harness.head()), consistencyProof: async () => [] },
    AbortSignal.timeout(10_000),
  );
  await harness.checkpointOutbox.settled();
  whole = (await harness.logMark.read())!;
  expect((await sallyport(['audit', 'verify'])).code).toBe(0);
  cut = await cutLog(database.url, kept);
});

const sallyport = (args: readonly string[], env: Readonly<Record<string, string>> = {}) =>
  runCli([...args, '--json'], {
    DATABASE_URL: database.url,
    SALLYPORT_DATA_DIR: join(folder, 'data'),
    AUDIT_CHECKPOINT_DIR: join(folder, 'heads'),
    HOME: folder,
    ...env,
  });
/** Another host, which has neither the high-water mark nor the folder of heads. */
const bare = (): Record<string, string> => ({
  SALLYPORT_DATA_DIR: join(folder, 'bare'),
  AUDIT_CHECKPOINT_DIR: join(folder, 'no heads'),
});
const overS3 = (): Record<string, string> => ({
  ...bare(),
  AUDIT_CHECKPOINT_SINKS: 's3',
  AUDIT_S3_URL: bucket.url,
  AUDIT_S3_REGION: bucket.settings.region,
  AUDIT_S3_ACCESS_KEY_ID: bucket.settings.credentials.accessKeyId,
  AUDIT_S3_SECRET_ACCESS_KEY: bucket.settings.credentials.secretAccessKey,
});
async function verify(env: Readonly<Record<string, string>> = {}) {
  const { code, out } = await sallyport(['audit', 'verify'], env);
  const { faults } = JSON.parse(out) as { faults: { code: string; message: string }[] };
  return { code, faults: faults.map((fault) => `${fault.code}: ${fault.message}`) };
}

test('the high-water mark and each head in the folder reveal a tail that the database owner cut off', async () => {
  const { code, faults } = await verify();
  expect(code).toBe(1);
  const behind = faults.filter((fault) => fault.startsWith('log_behind_mark'));
  expect(behind).toHaveLength(3);
  for (const where of ['the high-water mark', join(folder, 'heads')])
    expect(behind.join('\n')).toContain(`of ${TEST_ORIGIN}, and ${where}`);
  expect(faults).toContainEqual(expect.stringMatching(`^log_forged_continuation: ${cut.origin} does not begin`));
});

test('without mark and folder, the log itself and the heads in the bucket reveal it', async () => {
  expect(await verify(bare())).toMatchObject({ code: 1, faults: [expect.stringMatching('^log_forged_continuation')] });
  const { code, faults } = await verify(overS3());
  expect(code).toBe(1);
  expect(faults).toContainEqual(
    expect.stringMatching(`^log_behind_mark: .* and ${bucket.url}/.*/0*${whole.size} knows ${whole.size}`),
  );
});

test('an unreadable bucket is an error, and the log is not reported as valid', async () => {
  bucket.fault = 503;
  const run = await sallyport(['audit', 'verify'], overS3());
  bucket.fault = undefined;
  expect(run).toMatchObject({ code: 3, out: '' });
  expect(run.err).toContain('s3:ListBucket');
});

test('doctor fails and names the runbook', async () => {
  const { code, out } = await sallyport(['doctor']);
  expect(code).toBe(1);
  const checks = JSON.parse(out).checks as { name: string; result: string; evidence: string; fix: string }[];
  expect(checks.find(({ name }) => name === 'audit log')).toMatchObject({
    result: 'fail',
    evidence: expect.stringContaining('log_forged_continuation'),
    fix: expect.stringContaining('AuditSealingStopped'),
  });
});
