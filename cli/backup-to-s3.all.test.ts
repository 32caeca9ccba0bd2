// About: cli/backup.ts services/platform/backups/
import { randomBytes } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createFileMarks } from '../services/platform/marks/file-marks.ts';
import { createEmptyDatabase, queryRows } from '../tools/testing/harness/ports.ts';
import { runCli, startCli } from '../tools/testing/processes/run-cli.ts';
import { findS3Gateway, type S3Gateway, startS3Gateway } from '../tools/testing/processes/s3-gateway.ts';
import { type CliHarness, KEK, openCliHarness } from './cli-harness.ts';

const program = findS3Gateway();
if (program === undefined) console.warn('SKIPPED: backups in an S3 store: no Go here to build its server with');

describe.skipIf(program === undefined)('sallyport backup --out s3://…', () => {
  let harness: CliHarness;
  let gateway: S3Gateway;
  let keyFile: string;
  beforeAll(async () => {
    harness = await openCliHarness();
    gateway = await startS3Gateway(program as string);
    keyFile = join(harness.dataDir, 'backup.key');
    await writeFile(keyFile, randomBytes(32));
    // Random text does not compress: its answer can break several times.
    await queryRows(harness.ports.databaseUrl)`INSERT INTO users (id, email)
      SELECT 'u' || n, sha512(random()::text::bytea)::text || sha512(random()::text::bytea)::text || '@example.test'
      FROM generate_series(1, 30000) n`;
  });
  afterAll(async () => {
    await gateway?.close();
    await harness?.close();
  });

  const env = () => ({
    DATABASE_URL: harness.ports.databaseUrl,
    SALLYPORT_DATA_DIR: harness.dataDir,
    KEY_ENCRYPTION_KEY: KEK.toString('base64'),
    ...gateway.env,
  });
  const run = (args: readonly string[]) => runCli([...args, '--key-file', keyFile, '--json'], env());

  test('a backup goes to the store, is verified there, and fills an empty database from there', async () => {
    const made = await run(['backup', '--out', 's3://backups/daily/one']);
    expect(made.code, made.err).toBe(0);
    const { bytes, rows, incarnation, revocation_epoch: revocationEpoch, beat } = JSON.parse(made.out);
    await createFileMarks(harness.dataDir).raise({ incarnation, revocationEpoch, beat });
    expect(bytes).toBeGreaterThan(3_000_000);
    const verified = await run(['backup', 'verify', 's3://backups/daily/one']);
    expect([verified.code, JSON.parse(verified.out)]).toMatchObject([0, { whole: true, authentic: true, rows }]);
    const database = await createEmptyDatabase(harness.ports.databaseUrl);
    try {
      gateway.fault = (request) =>
        request === 'GET /backups/daily/one' && gateway.requests.filter((each) => each === request).length < 4
          ? 'break'
          : undefined;
      const restored = await run(['restore', '--from', 's3://backups/daily/one', '--into', database.url, '--verify']);
      expect(restored.code, restored.err).toBe(0);
      expect(JSON.parse(restored.out)).toMatchObject({ rows, verified: true, integrity: { valid: true } });
    } finally {
      gateway.fault = () => undefined;
      await database.drop();
    }
  });

  test('a store that is lost in the midst of a restore ends it with a code, and the database stays empty', async () => {
    const database = await createEmptyDatabase(harness.ports.databaseUrl);
    try {
      gateway.fault = (request) =>
        request === 'GET /backups/daily/one'
          ? gateway.requests.filter((each) => each === request).length < 6
            ? 'break'
            : { answer: 403 }
          : undefined;
      const lost = await run(['restore', '--from', 's3://backups/daily/one', '--into', database.url]);
      expect([lost.code, lost.err]).toEqual([5, expect.stringContaining('backup_store_refused')]);
      gateway.fault = () => undefined;
      const again = await run(['restore', '--from', 's3://backups/daily/one', '--into', database.url]);
      expect(again.code, again.err).toBe(0);
    } finally {
      gateway.fault = () => undefined;
      await database.drop();
    }
  });

  test('a key that is missing, an unknown scheme and a missing object are named', async () => {
    const missing = await run(['backup', 'verify', 's3://backups/none']);
    expect([missing.code, missing.err]).toEqual([2, expect.stringContaining('backup_not_found')]);
    expect((await run(['backup', 'verify', 'gs://backups/none'])).code).toBe(2);
    const without = await runCli(['backup', 'verify', 's3://backups/daily/one'], {});
    expect([without.code, without.err]).toEqual([2, expect.stringContaining('backup_place_invalid')]);
  });

  test('kill -9 in the midst of the parts leaves no object under the key', async () => {
    const held = Promise.withResolvers<void>();
    gateway.fault = (request) => {
      if (!request.includes('partNumber=1')) return undefined;
      held.resolve();
      return 'hang';
    };
    const child = startCli(['backup', '--out', 's3://backups/killed', '--key-file', keyFile], env());
    await held.promise;
    child.kill('SIGKILL');
    await new Promise((done) => child.once('close', done));
    gateway.fault = () => undefined;
    expect(gateway.keys().objects).not.toContain('killed');
    const again = await run(['backup', '--out', 's3://backups/killed']);
    expect(again.code, again.err).toBe(0);
    expect(gateway.keys().objects).toContain('killed');
  });
});
