import { createHash, randomBytes } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { sealEvents } from '#services/core/audit/seal/seal-events.ts';
import { readLogKeys } from '#services/core/keys/log/log-keys.ts';
import { createFileMarks } from '#services/platform/marks/file-marks.ts';
import { openLogHarness } from '#tools/testing/harness/log.ts';
import { createTestPorts, testCaller } from '#tools/testing/harness/ports.ts';
import { onServer } from '#tools/testing/harness/stores.ts';
import { opened } from '#tools/testing/opened.ts';
import { testFolder } from '#tools/testing/test-folder.ts';
import { BackupService } from './backup-service.ts';

const folder = testFolder();
let service: BackupService;
let into: string;
const intoName = `t_${randomBytes(6).toString('hex')}`;

const harness = opened(openLogHarness);
beforeAll(async () => {
  await onServer((admin) => admin.query(`CREATE DATABASE ${intoName}`));
  const url = new URL(harness.databaseUrl);
  url.pathname = `/${intoName}`;
  into = url.href;
  service = new BackupService(
    { ...everyWing, ...harness, marks: createFileMarks(folder), auditLogKeys },
    { DATABASE_URL: harness.databaseUrl, SALLYPORT_DATA_DIR: harness.dataDir },
  );
  await harness.raw`INSERT INTO users (id, email) SELECT 'u' || n, 'u' || n || '@example.test'
    FROM generate_series(1, 20) n`;
  await harness.emit(300);
  await sealEvents(harness, {}, testCaller);
});
afterAll(() => onServer((admin) => admin.query(`DROP DATABASE IF EXISTS ${intoName} WITH (FORCE)`)));

const everyWing = { wings: { leftOut: [] } };
const auditLogKeys = (origin: string) => readLogKeys(harness, origin);
const findings = async () => (await service.validateDataIntegrity()).findings;

test('a backup is a file with its checksum; restored elsewhere, every row and the sealed log are whole, and no log forks', async () => {
  const key = randomBytes(32);
  const made = await service.backupAuthenticationData({ file: join(folder, 'one.backup'), key });
  expect(made.checksum).toBe(
    createHash('sha256')
      .update(await readFile(made.file))
      .digest('hex'),
  );
  // On another machine: the marks of the restored database are its own.
  const marks = createFileMarks(join(folder, 'there'));
  const elsewhere = new BackupService(
    { ...everyWing, ...harness, marks, auditLogKeys },
    { DATABASE_URL: into, SALLYPORT_DATA_DIR: join(folder, 'there') },
  );
  const restored = await elsewhere.restoreAuthenticationData({ ...made, into });
  expect(restored.foot.tables.find(({ table }) => table === 'users')?.rows).toBe(20);
  expect(restored).toMatchObject({
    standing: 'new',
    cutOff: { logOrigin: restored.head.log && expect.stringContaining('/continued-') },
  });
  const there = createTestPorts(into);
  const target = new BackupService(
    { ...everyWing, ...harness, ...there, marks, auditLogKeys: (origin) => readLogKeys(there, origin) },
    { DATABASE_URL: into },
  );
  const result = await target.validateDataIntegrity();
  await there.end();
  expect(result).toMatchObject({ valid: true, orphans: 0 });
  expect(result.references).toBeGreaterThan(20);
});

test('a planted orphan is found, with the column and its value', async () => {
  expect(await findings()).toEqual([]);
  // As a repair by hand does that turns constraints off.
  await harness.raw`ALTER TABLE passkeys DISABLE TRIGGER ALL`;
  await harness.raw`INSERT INTO passkeys (id, "publicKey", "userId", "credentialID", counter, "deviceType", "backedUp")
    VALUES ('p1', 'x', 'u-gone', 'x', 0, 'x', false)`;
  expect(await findings()).toEqual(
    expect.arrayContaining([
      { kind: 'orphans', at: 'passkeys.userId', rows: 1, examples: ['u-gone'] },
      expect.objectContaining({ kind: 'trigger_disabled', at: 'passkeys' }),
    ]),
  );
  await harness.raw`ALTER TABLE passkeys ENABLE TRIGGER ALL`;
  expect(await service.validateDataIntegrity()).toMatchObject({ valid: false, orphans: 1 });
  await harness.raw`DELETE FROM passkeys WHERE id = 'p1'`;
});

test('a reference without a foreign key, an epoch that fell back and a constraint not validated are found', async () => {
  await harness.raw`INSERT INTO refresh_families (id, idle_expires_at, expires_at, nonce_hash, kv, prev_kv, client_id,
    client_bound, user_id, user_epoch, client_epoch, scope, audience, auth_time)
    VALUES (gen_random_uuid(), now() + interval '1 hour', now() + interval '1 hour', sha256('x'), 1, 1, 'gone', true,
      'u1', 0, 0, '', '', now())`;
  await harness.raw`INSERT INTO revocations (kind, value, token_epoch, reason, expires_at)
    VALUES ('user', 'u2', 7, 'x', now() + interval '1 hour')`;
  await harness.raw`ALTER TABLE users ADD CONSTRAINT test_short CHECK (length(email) < 5) NOT VALID`;
  expect(await findings()).toEqual(
    expect.arrayContaining([
      { kind: 'orphans', at: 'refresh_families.client_id', rows: 1, examples: ['gone'] },
      { kind: 'user_epochs_behind', at: 'users.tokenEpoch', rows: 1, examples: [] },
      { kind: 'constraint_not_validated', at: 'users', rows: 1, examples: ['test_short'] },
    ]),
  );
  await harness.raw`ALTER TABLE users DROP CONSTRAINT test_short`;
  await harness.raw`DELETE FROM refresh_families`;
  await harness.raw`DELETE FROM revocations`;
});

test('an altered row of the audit log, and a database behind its marks, are found', async () => {
  await harness.raw`ALTER TABLE audit_events DISABLE TRIGGER USER`;
  const [row] = await harness.raw<{ seq: number }>`UPDATE audit_events SET outcome = 'forged' WHERE seq = 3
    RETURNING seq`;
  await harness.raw`ALTER TABLE audit_events ENABLE TRIGGER USER`;
  expect(row).toBeDefined();
  const [state] = await harness.raw<{ incarnation: string }>`SELECT incarnation FROM feed_state`;
  const other = join(folder, 'other');
  await createFileMarks(other).raise({ incarnation: state?.incarnation as string, revocationEpoch: 1_000, beat: 0 });
  const behind = new BackupService(
    { ...everyWing, ...harness, marks: createFileMarks(other), auditLogKeys },
    { DATABASE_URL: harness.databaseUrl, SALLYPORT_DATA_DIR: harness.dataDir },
  );
  const result = await behind.validateDataIntegrity();
  expect(result.findings.map(({ kind }) => kind)).toEqual(['audit_log', 'database_rewound']);
});
