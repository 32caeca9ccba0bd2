import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { claimUnusedDatabase } from '#services/core/revocations/high-water-keeper.ts';
import { defineStatement } from '#services/platform/define/statement.ts';
import { createFileMarks } from '#services/platform/marks/file-marks.ts';
import { newClient } from '#tools/testing/harness/api.ts';
import { createTestPorts, testCaller } from '#tools/testing/harness/ports.ts';
import { planRestore, restoreAcceptLoss } from './restore-accept-loss.ts';
import { issued, openRestoreHarness, type RestoreHarness, userInsert } from './restore-harness.ts';

const sessionInsert = defineStatement(
  'testRestoreSession',
  `INSERT INTO sessions (id, "userId", "expiresAt", token) VALUES ($1, $2, now() + interval '1 day', $1)`,
);
const leftAlive = defineStatement(
  'testRestoreLeft',
  `SELECT (SELECT count(*) FROM sessions) AS sessions, (SELECT count(*) FROM refresh_families WHERE revoked_at IS NULL) AS families`,
);
const audited = defineStatement(
  'testRestoreAudited',
  `SELECT type, count(*) AS count FROM audit_outbox WHERE id > $1 GROUP BY type`,
);
const lastAudit = defineStatement('testRestoreLastAudit', `SELECT coalesce(max(id), 0) AS id FROM audit_outbox`);

let harness: RestoreHarness;
beforeEach(async () => {
  harness = await openRestoreHarness();
});
afterEach(() => harness?.close());

describe('accepting the loss with a running copy', { timeout: 240_000 }, () => {
  test('ends every session and token family with an audit row each, and moves the counters above the marks', async () => {
    const copy = await harness.startCopy();
    const client = await newClient(copy, ['tokens:issue']);
    const { sql, vault } = copy.ports;
    await sql.query(userInsert, ['alice']);
    for (const id of ['s1', 's2', 's3']) await sql.query(sessionInsert, [id, 'alice']);
    await issued(copy, client);
    await issued(copy, client);
    const [before] = await sql.query<{ id: number }>(lastAudit);
    const marks = createFileMarks(harness.marksDir);
    const { database } = await planRestore({ sql, marks });
    await marks.raise({ ...database, revocationEpoch: 5_000, beat: 9_000 });
    const ports = { ...createTestPorts(harness.databaseUrl), vault, marks };
    const done = await restoreAcceptLoss(ports, { isForced: false }, testCaller);
    await ports.end();
    expect(done.ended).toMatchObject({ sessions: 3, families: 2, users: 1 });
    expect(await sql.query(leftAlive)).toEqual([{ sessions: 0, families: 0 }]);
    const counts = new Map(
      (await sql.query<{ type: string; count: number }>(audited, [before!.id])).map(({ type, count }) => [type, count]),
    );
    expect(counts.get('session.ended')).toBe(3);
    expect(counts.get('token.family_ended')).toBe(2);
    expect(counts.get('user.tokens_revoked')).toBe(1);
    expect(counts.get('operations.restore_accepted')).toBe(1);
    const after = await marks.read();
    expect(after).toMatchObject({ incarnation: done.incarnation });
    expect(after!.revocationEpoch).toBeGreaterThan(5_000);
    expect(after!.beat).toBeGreaterThan(9_000);
    expect(copy.ports.revocations.state().rewound || (await planRestore({ sql, marks })).standing === 'current').toBe(
      true,
    );
  });

  test('is refused if nothing was lost, needs a confirmation, and reports the status of the database', async () => {
    const copy = await harness.startCopy();
    await harness.marksReach(copy, 1);
    const refused = await harness.sallyport(['--yes', 'restore', '--accept-loss']);
    expect(refused.code).toBe(5);
    expect(refused.err).toContain('nothing was lost');
    const asked = await harness.sallyport(['restore', '--accept-loss', '--force']);
    expect(asked.code).toBe(4);
    const report = await harness.sallyport(['--json', 'restore']);
    expect([report.code, JSON.parse(report.out).standing]).toEqual([0, 'current']);
    const dry = await harness.sallyport(['--json', '--dry-run', 'restore', '--accept-loss', '--force']);
    expect([dry.code, JSON.parse(dry.out).standing]).toEqual([0, 'current']);
    expect(copy.ports.revocations.state().rewound).toBe(false);
    const forced = await harness.sallyport(['--yes', 'restore', '--accept-loss', '--force']);
    expect(forced.code, forced.err).toBe(0);
    expect(forced.out).toContain('compromised');
  });
});

describe('a database that never issued anything', () => {
  test('replaces the marks of another database, because it has no token to revive', async () => {
    const marks = createFileMarks(harness.marksDir);
    const other = '00000000-0000-4000-8000-000000000001';
    await marks.raise({ incarnation: other, revocationEpoch: 70, beat: 900 });
    const ports = { ...createTestPorts(harness.databaseUrl), marks };
    expect(await claimUnusedDatabase(ports)).toBe(true);
    expect(await marks.read()).toMatchObject({ revocationEpoch: 0, beat: 0 });
    await marks.raise({ incarnation: other, revocationEpoch: 71, beat: 901 });
    expect(await marks.read()).toMatchObject({ beat: 0 });
    await ports.sql.query(userInsert, ['alice']);
    await ports.sql.query(sessionInsert, ['s1', 'alice']);
    expect(await claimUnusedDatabase(ports)).toBe(false);
    await ports.end();
  });
});

test('only its owner can read the marks file', async () => {
  await createFileMarks(harness.marksDir).raise({ incarnation: '0-0', revocationEpoch: 1, beat: 1 });
  const { mode } = await stat(join(harness.marksDir, 'marks.json'));
  expect(mode & 0o777).toBe(0o600);
  expect(JSON.parse(await readFile(join(harness.marksDir, 'marks.json'), 'utf8'))).toEqual({
    incarnation: '0-0',
    revocation_epoch: 1,
    beat: 1,
  });
});
