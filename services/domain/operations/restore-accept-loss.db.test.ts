import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { defineStatement } from '../../platform/define/statement.ts';
import { createFileMarks } from '../../platform/marks/file-marks.ts';
import {
  API_URL,
  type ApiCopy,
  newAuthSecret,
  newClient,
  startApiCopy,
  type TestClient,
} from '../../platform/testing/api-copy.ts';
import type { Json } from '../../platform/testing/http-client.ts';
import { createTestPorts, testCaller } from '../../platform/testing/ports.ts';
import { type CliRun, runCli } from '../../platform/testing/processes/run-cli.ts';
import { createTestDatabase, type TestDatabase, testRedisUrl } from '../../platform/testing/stores.ts';
import { claimUnusedDatabase } from '../tokens/revocations/claim-unused-database.ts';
import { planRestore, restoreAcceptLoss } from './restore-accept-loss.ts';

type Pair = { readonly access_token: string; readonly refresh_token: string };

const userInsert = defineStatement(
  'testRestoreUser',
  `INSERT INTO users (id, email) VALUES ($1, $1 || '@example.test')`,
);
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

let database: TestDatabase;
let backupName: string;
let marksDir: string;
let authSecret: string;
let copies: ApiCopy[] = [];
const redisUrl = testRedisUrl();

const nameOf = (url: string): string => new URL(url).pathname.slice(1);

async function onServer(work: (admin: pg.Client) => Promise<unknown>): Promise<void> {
  const url = new URL(database.url);
  url.pathname = '/postgres';
  const admin = new pg.Client({ connectionString: url.href });
  await admin.connect();
  try {
    await work(admin);
  } finally {
    await admin.end();
  }
}

/** A database as it stands, though copies of the API are at it: nobody may come back in while it is copied or moved. */
async function withoutConnections(name: string, work: (admin: pg.Client) => Promise<unknown>): Promise<void> {
  await onServer(async (admin) => {
    await admin.query(`ALTER DATABASE ${name} ALLOW_CONNECTIONS false`);
    try {
      for (let left = 1; left > 0; ) {
        await admin.query(`SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1`, [name]);
        const { rows } = await admin.query(`SELECT count(*)::int AS n FROM pg_stat_activity WHERE datname = $1`, [
          name,
        ]);
        left = rows[0].n;
      }
      await work(admin);
    } finally {
      await admin.query(`ALTER DATABASE ${name} ALLOW_CONNECTIONS true`);
    }
  });
}

const takeBackup = (): Promise<void> =>
  withoutConnections(nameOf(database.url), (admin) =>
    admin.query(`CREATE DATABASE ${backupName} TEMPLATE ${nameOf(database.url)}`),
  );

/** What `pg_restore` of yesterday's dump does, under running copies. */
const restoreBackup = (): Promise<void> =>
  withoutConnections(nameOf(database.url), async (admin) => {
    const name = nameOf(database.url);
    await admin.query(`DROP DATABASE ${name}`);
    await admin.query(`CREATE DATABASE ${name} TEMPLATE ${backupName}`);
  });

async function startCopy(): Promise<ApiCopy> {
  // Rewound is what this is about: a busy machine must not make it stale.
  const env = { REVOCATION_STALENESS_MS: '30000' };
  const copy = await startApiCopy({ databaseUrl: database.url, redisUrl, authSecret, marksDir, env });
  copies.push(copy);
  return copy;
}

async function call(copy: ApiCopy, path: string, body?: object, client?: TestClient) {
  const response = await fetch(copy.url + path, {
    method: body ? 'POST' : 'GET',
    headers: {
      ...(body ? { 'content-type': 'application/json' } : {}),
      ...(client ? { authorization: client.basic } : {}),
    },
    ...(body ? { body: JSON.stringify(body) } : {}),
  });
  return { status: response.status, body: (await response.json()) as Json };
}
const validate = (copy: ApiCopy, { access_token }: Pair) => call(copy, '/v1/tokens/validate', { token: access_token });
const refresh = (copy: ApiCopy, { refresh_token }: Pair) => call(copy, '/v1/tokens/refresh', { refresh_token });
const issue = (copy: ApiCopy, client: TestClient) => call(copy, '/v1/tokens', { user_id: 'alice' }, client);

async function issued(copy: ApiCopy, client: TestClient): Promise<Pair> {
  const { status, body } = await issue(copy, client);
  expect(status, JSON.stringify(body)).toBe(201);
  return body;
}

/** Everything that was acknowledged is in the marks: the poll behind the last commit has been answered and raised. */
async function marksReach(copy: ApiCopy, beats: number): Promise<void> {
  const marks = createFileMarks(marksDir);
  const { epoch } = copy.ports.revocations.state();
  const from = (await marks.read())?.beat ?? 0;
  await expect
    .poll(async () => (await marks.read())?.beat ?? 0, { timeout: 60_000 })
    .toBeGreaterThanOrEqual(from + beats);
  await expect.poll(async () => (await marks.read())?.revocationEpoch).toBeGreaterThanOrEqual(epoch);
}

const isRewound = (copy: ApiCopy): Promise<unknown> =>
  expect.poll(() => copy.ports.revocations.state().rewound, { timeout: 60_000 }).toBe(true);
const isBack = (copy: ApiCopy): Promise<unknown> =>
  expect.poll(async () => (await fetch(`${copy.url}/readyz`)).status, { timeout: 60_000 }).toBe(200);

beforeAll(async () => {
  marksDir = await mkdtemp(join(tmpdir(), 'sallyport-restore-'));
});
afterAll(() => rm(marksDir, { recursive: true, force: true }));
beforeEach(async () => {
  database = await createTestDatabase();
  backupName = `${nameOf(database.url)}_backup`;
  authSecret = newAuthSecret();
  await rm(join(marksDir, 'marks.json'), { force: true });
});
afterEach(async () => {
  await Promise.all(copies.map((copy) => copy.stop()));
  copies = [];
  await onServer((admin) => admin.query(`DROP DATABASE IF EXISTS ${backupName} WITH (FORCE)`));
  await database.drop();
});

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

describe('an older backup is restored', { timeout: 240_000 }, () => {
  test('nothing is issued or validated until told, under a running copy and at a start; then nothing old is alive', async () => {
    const first = await startCopy();
    const client = await newClient(first, ['tokens:issue', 'tokens:revoke']);
    await first.ports.sql.query(userInsert, ['alice']);
    const kept = await issued(first, client);
    await takeBackup();
    await isBack(first);

    // What the backup does not know: a login, a rotation, and a revocation.
    const lost = await issued(first, client);
    const rotated = (await refresh(first, kept)).body as Pair;
    const revoked = await issued(first, client);
    const { status } = await call(first, '/v1/tokens/revoke', { token: kept.access_token, reason: 'stolen' }, client);
    expect(status).toBe(200);
    expect((await validate(first, kept)).body).toEqual({ active: false, reason: 'revoked' });
    await marksReach(first, 2);

    await restoreBackup();
    await isRewound(first);
    await refusesEverything(first, kept, client);
    const second = await startCopy();
    await refusesEverything(second, lost, client);

    // The command line, as an operator types it.
    const cli = await sallyport(['--json', '--yes', 'restore', '--accept-loss']);
    expect(cli.code, cli.err).toBe(0);
    const told = JSON.parse(cli.out);
    expect(told).toMatchObject({ ended: { families: 1, users: 1 }, keys_compromised: [expect.any(String)] });
    expect(told.keys_created).toHaveLength(1);

    await Promise.all([isBack(first), isBack(second)]);
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

    // A backup from before the accepted loss is of a replaced incarnation, whatever its counters say.
    await restoreBackup();
    await Promise.all([isRewound(first), isRewound(second)]);
    await refusesEverything(second, next, client);
  });

  test('a session of the lost time does not live on in Redis, however long after', async () => {
    const first = await startCopy();
    await takeBackup();
    await isBack(first);
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
    await marksReach(first, 2);
    await restoreBackup();
    await isRewound(first);
    expect((await sallyport(['--yes', 'restore', '--accept-loss'])).code).toBe(0);
    await isBack(first);
    expect(await sessionStatus(first)).toBe(401);
    // As it is when the revocations of the restore have expired.
    await first.ports.sql.query(defineStatement('testRestoreForget', 'DELETE FROM revocations'));
    expect(await sessionStatus(await startCopy())).toBe(401);
  });

  test('a copy with marks of its own moves them when the loss was accepted elsewhere', async () => {
    const first = await startCopy();
    await marksReach(first, 1);
    await takeBackup();
    await isBack(first);
    await marksReach(first, 2);
    await restoreBackup();
    await isRewound(first);
    const elsewhere = await mkdtemp(join(tmpdir(), 'sallyport-elsewhere-'));
    const ports = { ...createTestPorts(database.url), vault: first.ports.vault, marks: createFileMarks(elsewhere) };
    const done = await restoreAcceptLoss(ports, { isForced: false }, testCaller);
    await ports.end();
    await isBack(first);
    expect(first.ports.revocations.state().incarnation).toBe(done.incarnation);
    await expect.poll(async () => (await createFileMarks(marksDir).read())?.incarnation).toBe(done.incarnation);
    await rm(elsewhere, { recursive: true, force: true });
  });

  test('the newest state put back after all: copies go on by themselves, and nothing has ended', async () => {
    const copy = await startCopy();
    const client = await newClient(copy, ['tokens:issue']);
    await copy.ports.sql.query(userInsert, ['alice']);
    await takeBackup();
    await isBack(copy);
    const pair = await issued(copy, client);
    await marksReach(copy, 2);
    const name = nameOf(database.url);
    const aside = `${name}_aside`;
    await withoutConnections(name, async (admin) => {
      await admin.query(`ALTER DATABASE ${name} RENAME TO ${aside}`);
      await admin.query(`CREATE DATABASE ${name} TEMPLATE ${backupName}`);
    });
    await isRewound(copy);
    await withoutConnections(name, async (admin) => {
      await admin.query(`DROP DATABASE ${name}`);
      await admin.query(`ALTER DATABASE ${aside} WITH ALLOW_CONNECTIONS true`);
      await admin.query(`ALTER DATABASE ${aside} RENAME TO ${name}`);
    });
    await isBack(copy);
    expect((await validate(copy, pair)).body).toMatchObject({ active: true });
    expect((await refresh(copy, pair)).status).toBe(200);
  });
});

describe('accepting', { timeout: 240_000 }, () => {
  test('ends every session and login with an audit row each, in one transaction, and moves the counters past the marks', async () => {
    const copy = await startCopy();
    const client = await newClient(copy, ['tokens:issue']);
    const { sql, vault } = copy.ports;
    await sql.query(userInsert, ['alice']);
    for (const id of ['s1', 's2', 's3']) await sql.query(sessionInsert, [id, 'alice']);
    await issued(copy, client);
    await issued(copy, client);
    const [before] = await sql.query<{ id: number }>(lastAudit);
    const marks = createFileMarks(marksDir);
    const database_ = (await planRestore({ sql, marks })).database;
    await marks.raise({ ...database_, revocationEpoch: 5_000, beat: 9_000 });
    const ports = { ...createTestPorts(database.url), vault, marks };
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

  test('is refused where nothing was lost, asks a person, and says how the database stands', async () => {
    const copy = await startCopy();
    await marksReach(copy, 1);
    const refused = await sallyport(['--yes', 'restore', '--accept-loss']);
    expect(refused.code).toBe(5);
    expect(refused.err).toContain('nothing was lost');
    const asked = await sallyport(['restore', '--accept-loss', '--force']);
    expect(asked.code).toBe(4);
    const report = await sallyport(['--json', 'restore']);
    expect([report.code, JSON.parse(report.out).standing]).toEqual([0, 'current']);
    const dry = await sallyport(['--json', '--dry-run', 'restore', '--accept-loss', '--force']);
    expect([dry.code, JSON.parse(dry.out).standing]).toEqual([0, 'current']);
    expect(copy.ports.revocations.state().rewound).toBe(false);
    const forced = await sallyport(['--yes', 'restore', '--accept-loss', '--force']);
    expect(forced.code, forced.err).toBe(0);
    expect(forced.out).toContain('compromised');
  });
});

describe('a database that never issued anything', () => {
  test('takes over marks of another one: there is nothing to revive', async () => {
    const marks = createFileMarks(marksDir);
    const other = '00000000-0000-4000-8000-000000000001';
    await marks.raise({ incarnation: other, revocationEpoch: 70, beat: 900 });
    const ports = { ...createTestPorts(database.url), marks };
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

const sallyport = (args: readonly string[]): Promise<CliRun> =>
  runCli(args, {
    DATABASE_URL: database.url,
    BETTER_AUTH_SECRET: authSecret,
    SALLYPORT_DATA_DIR: marksDir,
    NO_COLOR: '1',
  });

test('the marks file is readable by its owner alone', async () => {
  await createFileMarks(marksDir).raise({ incarnation: '0-0', revocationEpoch: 1, beat: 1 });
  const { mode } = await (await import('node:fs/promises')).stat(join(marksDir, 'marks.json'));
  expect(mode & 0o777).toBe(0o600);
  expect(JSON.parse(await readFile(join(marksDir, 'marks.json'), 'utf8'))).toEqual({
    incarnation: '0-0',
    revocation_epoch: 1,
    beat: 1,
  });
});
