import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, onTestFinished, test } from 'vitest';
import { claimUnusedDatabase } from '#services/core/revocations/high-water-keeper.ts';
import { defineStatement } from '#services/platform/define/statement.ts';
import { createFileMarks } from '#services/platform/marks/file-marks.ts';
import { API_URL, type ApiCopy, newClient, type TestClient } from '#tools/testing/harness/api.ts';
import { createTestPorts, queryRows, testCaller } from '#tools/testing/harness/ports.ts';
import { testFolder } from '#tools/testing/test-folder.ts';
import { planRestore, restoreAcceptLoss } from './restore-accept-loss.ts';
import {
  call,
  issue,
  issued,
  openRestoreHarness,
  type Pair,
  type RestoreHarness,
  userInsert,
} from './restore-harness.ts';

const sessionInsert = defineStatement('testRestoreSession')`
  INSERT INTO sessions (id, "userId", "expiresAt", token) VALUES ($1, $2, now() + interval '1 day', $1)`;
const leftAlive = defineStatement('testRestoreLeft')`
  SELECT (SELECT count(*) FROM sessions) AS sessions, (SELECT count(*) FROM refresh_families WHERE revoked_at IS NULL) AS families`;
const audited = defineStatement('testRestoreAudited')`
  SELECT type, count(*) AS count FROM audit_outbox WHERE id > $1 GROUP BY type`;
const lastAudit = defineStatement('testRestoreLastAudit')`SELECT coalesce(max(id), 0) AS id FROM audit_outbox`;

let harness: RestoreHarness;
beforeEach(async () => {
  harness = await openRestoreHarness();
});
afterEach(() => harness?.close());

describe('accepting the loss with a running copy', () => {
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

test('a database that never issued anything replaces the marks of another database, because it has no token to revive', async () => {
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

const validate = (copy: ApiCopy, { access_token }: Pair) => call(copy, '/v1/tokens/validate', { token: access_token });
const refresh = (copy: ApiCopy, { refresh_token }: Pair) => call(copy, '/v1/tokens/refresh', { refresh_token });

const isRewound = (copy: ApiCopy): Promise<unknown> =>
  expect.poll(() => copy.ports.revocations.state().rewound, { timeout: 60_000 }).toBe(true);
/** Ready, and past the key that was compromised: until it has read the next one, it signs nothing (503). */
const isBack = async (copy: ApiCopy, client?: TestClient): Promise<void> => {
  await expect.poll(async () => (await fetch(`${copy.url}/readyz`)).status, { timeout: 60_000 }).toBe(200);
  if (client) await expect.poll(async () => (await issue(copy, client)).status, { timeout: 60_000 }).toBe(201);
};
/** Taking the backup cuts the copy's connections: it refuses writes until a later poll succeeds. */
const writesAgain = (copy: ApiCopy): Promise<unknown> =>
  expect
    .poll(async () => (await call(copy, '/api/auth/request-password-reset', { email: 'new@example.test' })).status, {
      timeout: 60_000,
    })
    .toBe(200);

async function refusesEverything(copy: ApiCopy, pair: Pair, client: TestClient): Promise<void> {
  for (const answer of [await validate(copy, pair), await refresh(copy, pair), await issue(copy, client)]) {
    expect(answer.status).toBe(503);
    expect(answer.body).toMatchObject({ code: 'state_rewound', fix: expect.stringContaining('restore --accept-loss') });
  }
  const ready = await call(copy, '/readyz');
  expect(ready.status).toBe(503);
  expect(ready.body).toMatchObject({ components: { revocations: 'rewound' } });
  expect((await call(copy, '/healthz')).status).toBe(200);
}

describe('restoring an older backup', () => {
  test('blocks issuing and validating on running and new copies until the loss is accepted; then no earlier token is valid', async () => {
    const first = await harness.startCopy();
    const client = await newClient(first, ['tokens:issue', 'tokens:revoke']);
    await first.ports.sql.query(userInsert, ['alice']);
    const kept = await issued(first, client);
    await harness.takeBackup();
    await writesAgain(first);

    // Missing from the backup: a token family, a rotation and a revocation.
    const lost = await issued(first, client);
    const rotated = (await refresh(first, kept)).body as Pair;
    const revoked = await issued(first, client);
    const { status } = await call(first, '/v1/tokens/revoke', { token: kept.access_token, reason: 'stolen' }, client);
    expect(status).toBe(200);
    expect((await validate(first, kept)).body).toEqual({ active: false, reason: 'revoked' });
    await harness.marksReach(first, 2);

    await harness.restoreBackup();
    await isRewound(first);
    await refusesEverything(first, kept, client);
    const second = await harness.startCopy();
    await refusesEverything(second, lost, client);

    // The command line, as an operator types it.
    const cli = await harness.sallyport(['--json', '--yes', 'restore', '--accept-loss']);
    expect(cli.code, cli.err).toBe(0);
    const report = JSON.parse(cli.out);
    expect(report).toMatchObject({ ended: { families: 1, users: 1 }, keys_compromised: [expect.any(String)] });
    expect(report.keys_created).toHaveLength(1);

    await Promise.all([isBack(first, client), isBack(second, client)]);
    for (const copy of [first, second]) {
      for (const pair of [kept, lost, rotated, revoked]) {
        expect((await validate(copy, pair)).body).toMatchObject({ active: false });
        const refused = await refresh(copy, pair);
        expect(refused.status).toBe(401);
        expect(['refresh_token_invalid', 'session_ended']).toContain(refused.body.code);
      }
    }
    const fresh = await issued(first, client);
    expect((await validate(second, fresh)).body).toMatchObject({ active: true });
    const next = (await refresh(second, fresh)).body as Pair;
    expect((await validate(first, next)).body).toMatchObject({ active: true });

    // A backup from before the accepted loss has a replaced incarnation, whatever its counters are.
    await harness.restoreBackup();
    await Promise.all([isRewound(first), isRewound(second)]);
    await refusesEverything(second, next, client);
  });

  test('a session missing from the backup does not survive in Redis, even after its revocation expired', async () => {
    const first = await harness.startCopy();
    await harness.takeBackup();
    await writesAgain(first);
    const signedUp = await fetch(`${first.url}/api/auth/signup`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', origin: API_URL },
      body: JSON.stringify({ email: 'lost@example.test', password: 'correct horse battery staple' }),
    });
    expect(signedUp.status).toBe(201);
    const cookie = signedUp.headers
      .getSetCookie()
      .map((line) => line.split(';', 1)[0])
      .join('; ');
    const sessionStatus = async (copy: ApiCopy): Promise<number> =>
      (await fetch(`${copy.url}/api/auth/session`, { headers: { cookie } })).status;
    await expect.poll(() => sessionStatus(first)).toBe(200);
    await harness.marksReach(first, 2);
    await harness.restoreBackup();
    await isRewound(first);
    expect((await harness.sallyport(['--yes', 'restore', '--accept-loss'])).code).toBe(0);
    await isBack(first);
    expect(await sessionStatus(first)).toBe(401);
    // The state after the revocations of the restore have expired.
    await queryRows(harness.databaseUrl)`DELETE FROM revocations`;
    expect(await sessionStatus(await harness.startCopy())).toBe(401);
  });

  test('a copy with its own high-water marks updates them when the loss is accepted on another host', async () => {
    const first = await harness.startCopy();
    await harness.marksReach(first, 1);
    await harness.takeBackup();
    await writesAgain(first);
    await harness.marksReach(first, 2);
    await harness.restoreBackup();
    await isRewound(first);
    const elsewhere = testFolder(onTestFinished);
    const ports = {
      ...createTestPorts(harness.databaseUrl),
      vault: first.ports.vault,
      marks: createFileMarks(elsewhere),
    };
    const done = await restoreAcceptLoss(ports, { isForced: false }, testCaller);
    await ports.end();
    await isBack(first);
    expect(first.ports.revocations.state().incarnation).toBe(done.incarnation);
    await expect.poll(async () => (await createFileMarks(harness.marksDir).read())?.incarnation).toBe(done.incarnation);
  });

  test('if the newest state is restored after all, copies recover by themselves and every token stays valid', async () => {
    const copy = await harness.startCopy();
    const client = await newClient(copy, ['tokens:issue']);
    await copy.ports.sql.query(userInsert, ['alice']);
    await harness.takeBackup();
    await writesAgain(copy);
    const pair = await issued(copy, client);
    await harness.marksReach(copy, 2);
    const [name, aside] = [harness.databaseName, `${harness.databaseName}_aside`];
    await harness.withoutConnections(async (admin) => {
      await admin.query(`ALTER DATABASE ${name} RENAME TO ${aside}`);
      await admin.query(`CREATE DATABASE ${name} TEMPLATE ${harness.backupName}`);
    });
    await isRewound(copy);
    await harness.withoutConnections(async (admin) => {
      await admin.query(`DROP DATABASE ${name}`);
      await admin.query(`ALTER DATABASE ${aside} WITH ALLOW_CONNECTIONS true`);
      await admin.query(`ALTER DATABASE ${aside} RENAME TO ${name}`);
    });
    await isBack(copy);
    expect((await validate(copy, pair)).body).toMatchObject({ active: true });
    expect((await refresh(copy, pair)).status).toBe(200);
  });
});
