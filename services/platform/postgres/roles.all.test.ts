// About: prisma/migrations/
import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { sealEvents } from '#services/core/audit/seal/seal-events.ts';
import { type OwnLogHarness, openLogHarness } from '#tools/testing/harness/log.ts';
import { patient, queryRows, testCaller } from '#tools/testing/harness/ports.ts';
import { startOwnStores } from '#tools/testing/processes/own-stores.ts';
import { migrate } from './migrate.ts';
import { createPool, createSql, createTransact } from './pool.ts';
import type { DatabaseRole, ProcessRole } from './transaction-settings.ts';

let harness: OwnLogHarness;
let pools: Record<ProcessRole, ReturnType<typeof createPool>>;
const open = (role: DatabaseRole, url: string) =>
  createPool({
    url,
    role,
    connections: 2,
    applicationName: 'test',
    statementTimeoutMs: 10_000,
    lockTimeoutMs: 5_000,
    connectTimeoutMs: 10_000,
  });
beforeAll(async () => {
  harness = await openLogHarness();
  await harness.emit(3);
  await sealEvents(harness, {}, testCaller);
  pools = {
    sallyport_api: open('sallyport_api', harness.databaseUrl),
    sallyport_mcp: open('sallyport_mcp', harness.databaseUrl),
    sallyport_worker: open('sallyport_worker', harness.databaseUrl),
    sallyport_log_sealer: open('sallyport_log_sealer', harness.databaseUrl),
  };
});
afterAll(async () => {
  await Promise.all(Object.values(pools ?? {}).map((pool) => pool.end()));
  await harness?.end();
});

const NONE_MAY = [
  `UPDATE audit_events SET outcome = 'x'`,
  'DELETE FROM audit_events',
  'TRUNCATE audit_events',
  'ALTER TABLE audit_events DISABLE TRIGGER ALL',
  'DROP TABLE audit_events',
  `UPDATE audit_personal SET value = 'x'`,
  'DELETE FROM audit_personal',
  'DELETE FROM audit_tiles',
  'TRUNCATE audit_tiles',
  'DELETE FROM audit_log',
  'UPDATE audit_log SET closed_at = now()',
  `UPDATE audit_log SET origin = 'x', previous = 'y'`,
  `UPDATE audit_checkpoints SET root = sha256('')`,
  'TRUNCATE audit_checkpoints',
  `UPDATE audit_outbox SET type = 'x'`,
  'DELETE FROM audit_outbox',
  'TRUNCATE audit_outbox',
  'CREATE TABLE mine ()',
  'ALTER TABLE users ADD mine text',
  'TRUNCATE users',
  'DELETE FROM _prisma_migrations',
  `SET session_replication_role = 'replica'`,
  'CREATE OR REPLACE FUNCTION audit_events_only_grow() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NULL; END $$',
];
const APPLICATION_MAY_NOT = [
  `INSERT INTO audit_events SELECT * FROM audit_events`,
  `INSERT INTO audit_personal SELECT * FROM audit_personal`,
  `INSERT INTO audit_tiles SELECT * FROM audit_tiles`,
  `UPDATE audit_tiles SET hashes = sha256('')`,
  `INSERT INTO audit_log (origin, first_seq, root) VALUES ('x', 0, sha256(''))`,
  'UPDATE audit_log SET size = 0',
  `INSERT INTO audit_checkpoints (origin, size, root, note) VALUES ('x', 0, sha256(''), '')`,
  'DELETE FROM audit_checkpoints',
  `UPDATE audit_sinks SET size = 0`,
  'UPDATE audit_outbox SET seq = 1',
  'DELETE FROM audit_outbox_default',
  `SELECT audit_outbox_detach('2020-01-01')`,
  `SELECT audit_outbox_drop('2020-01-01')`,
];

/** What one process never does, whatever the others do. */
const ONE_MAY_NOT = [
  ['sallyport_api', `UPDATE job_schedules SET next_run_at = now()`],
  ['sallyport_api', 'DELETE FROM job_fences'],
  ['sallyport_api', 'UPDATE detection_progress SET seq = 0'],
  ['sallyport_api', 'DELETE FROM progress_reports'],
  ['sallyport_api', 'SELECT FROM compliance_evidence'],
  ['sallyport_api', 'DELETE FROM compliance_evidence'],
  ['sallyport_api', 'UPDATE compliance_controls SET status = status'],
  ['sallyport_api', 'UPDATE _prisma_migrations SET checksum = checksum'],
  ['sallyport_worker', 'INSERT INTO refresh_families SELECT * FROM refresh_families'],
  ['sallyport_worker', 'INSERT INTO oauth_codes SELECT * FROM oauth_codes'],
  ['sallyport_worker', 'INSERT INTO api_keys SELECT * FROM api_keys'],
  ['sallyport_worker', 'INSERT INTO roles SELECT * FROM roles'],
  ['sallyport_worker', 'DELETE FROM role_permissions'],
  ['sallyport_worker', 'INSERT INTO oauth_clients SELECT * FROM oauth_clients'],
  ['sallyport_worker', 'INSERT INTO key_policy SELECT * FROM key_policy'],
  ['sallyport_worker', 'UPDATE key_policy SET algorithm = algorithm'],
  ['sallyport_worker', 'INSERT INTO audit_events SELECT * FROM audit_events'],
  ['sallyport_mcp', 'INSERT INTO refresh_families SELECT * FROM refresh_families'],
  ['sallyport_mcp', 'INSERT INTO oauth_codes SELECT * FROM oauth_codes'],
  ['sallyport_mcp', 'SELECT FROM login_challenges'],
  ['sallyport_mcp', 'DELETE FROM job_schedules'],
  ['sallyport_log_sealer', 'SELECT FROM users'],
  ['sallyport_log_sealer', 'UPDATE sessions SET id = id'],
  ['sallyport_log_sealer', 'SELECT FROM refresh_families'],
] as const;
const roles = ['sallyport_api', 'sallyport_mcp', 'sallyport_worker', 'sallyport_log_sealer'] as const;

describe('rights that a process does not have', () => {
  test.each([
    ...roles.flatMap((role) => NONE_MAY.map((statement) => [role, statement] as const)),
    ...roles
      .filter((role) => role !== 'sallyport_log_sealer')
      .flatMap((role) => APPLICATION_MAY_NOT.map((statement) => [role, statement] as const)),
    ...ONE_MAY_NOT,
  ])('%s is refused: %s', async (role, statement) => {
    await expect(pools[role].query(statement)).rejects.toMatchObject({ code: '42501' });
  });

  test('a refused statement names the role and the grant', async () => {
    const forbidden = { name: 'forbidden', text: 'DELETE FROM audit_events', writes: false };
    for (const role of roles) {
      await expect(createSql(pools[role]).query(forbidden)).rejects.toMatchObject({
        code: '42501',
        message: expect.stringContaining(`PostgreSQL refuses ${role} the right DELETE on audit_events:`),
      });
      await expect(createTransact(pools[role], () => {})((tx) => tx.query(forbidden))).rejects.toMatchObject({
        message: expect.stringContaining(`GRANT DELETE ON audit_events TO ${role}`),
      });
    }
  });

  test('a role that does not exist is refused as an outage, and the message has the statements that make it', async () => {
    const other = open('sallyport_none' as DatabaseRole, harness.databaseUrl);
    await expect(other.query('SELECT 1')).rejects.toMatchObject({
      code: '0P000',
      message: expect.stringMatching(
        /the role sallyport_none .*: as a superuser: CREATE ROLE sallyport_none;.* GRANT sallyport_none TO "/,
      ),
    });
    const one = { name: 'one', text: 'SELECT 1', writes: false };
    const refused = { code: 'store_unavailable', cause: expect.objectContaining({ code: '0P000' }) };
    await expect(createSql(other).query(one)).rejects.toMatchObject(refused);
    await expect(createTransact(other, () => {})((tx) => tx.query(one))).rejects.toMatchObject(refused);
    expect(other.totalCount).toBe(0);
    await other.end();
  });

  test('a role that does not exist is refused within a transaction, as through a pooler, before its first statement', async () => {
    const pooled = createPool({
      ...patient,
      url: harness.databaseUrl,
      isPooled: true,
      role: 'sallyport_none' as DatabaseRole,
      connections: 1,
      applicationName: 'test',
    });
    let begun = 0;
    const work = createTransact(pooled, () => {})(async () => {
      begun += 1;
    });
    await expect(work).rejects.toMatchObject({
      code: 'store_unavailable',
      cause: expect.objectContaining({ code: '0P000' }),
    });
    await expect(createSql(pooled).query({ name: 'one', text: 'SELECT 1', writes: false })).rejects.toMatchObject({
      code: 'store_unavailable',
    });
    expect(begun).toBe(0);
    await pooled.end();
  });
});

describe('a separate database user', () => {
  const login = `t_${randomBytes(6).toString('hex')}`;
  const address = (): string => {
    const url = new URL(harness.databaseUrl);
    Object.assign(url, { username: login, password: 'own' });
    return url.href;
  };
  beforeAll(() => queryRows(harness.databaseUrl)(`CREATE ROLE ${login} LOGIN PASSWORD 'own' IN ROLE sallyport_api`));
  afterAll(() => queryRows(harness.databaseUrl)(`DROP ROLE ${login}`));

  test('starts on a database without pending migrations, and writes the tables of the application', async () => {
    expect(await migrate(address())).toEqual([]);
    const pool = open('sallyport_api', address());
    expect((await pool.query('SELECT current_user AS role, session_user AS login')).rows).toEqual([
      { role: 'sallyport_api', login },
    ]);
    await pool.query(`SELECT audit_record('test.done', 'ok', 'user', 'u1')`);
    await pool.end();
  });

  test('cannot gain more rights than its role has, whichever role it assumes', async () => {
    const refused = open('sallyport_log_sealer', address());
    await expect(refused.query('SELECT 1')).rejects.toMatchObject({ code: '0P000' });
    await refused.end();
    const pool = open('sallyport_api', address());
    const others = ['sallyport_log_sealer', 'sallyport_worker', 'sallyport_app', 'sallyport_sealer'];
    for (const statement of [...others.map((role) => `SET ROLE ${role}`), ...NONE_MAY, ...APPLICATION_MAY_NOT])
      await expect(pool.query(statement)).rejects.toMatchObject({ code: '42501' });
    await pool.end();
  });
});

describe('a database user that is only a member of the roles of the release before', () => {
  test.each([
    ['sallyport_app', 'sallyport_api'],
    ['sallyport_app', 'sallyport_mcp'],
    ['sallyport_sealer', 'sallyport_worker'],
    ['sallyport_sealer', 'sallyport_log_sealer'],
  ] as const)('a member of %s does not run as %s, and the message names the grant', async (group, role) => {
    const login = `t_${randomBytes(6).toString('hex')}`;
    await queryRows(harness.databaseUrl)(`CREATE ROLE ${login} LOGIN PASSWORD 'own' IN ROLE ${group}`);
    const url = new URL(harness.databaseUrl);
    Object.assign(url, { username: login, password: 'own' });
    const pool = open(role, url.href);
    await expect(pool.query('SELECT 1')).rejects.toMatchObject({
      message: expect.stringContaining(`GRANT ${role} TO "${login}"`),
    });
    await queryRows(harness.databaseUrl)(`GRANT ${role} TO ${login}`);
    expect((await pool.query('SELECT current_user AS role')).rows).toEqual([{ role }]);
    await pool.end();
    await queryRows(harness.databaseUrl)(`DROP ROLE ${login}`);
  });
});

describe('a database user that is not a superuser, as on hosted databases', () => {
  test('migrates an empty database; its processes run as the roles if it can create them, else not at all', async () => {
    const stores = await startOwnStores();
    try {
      for (const role of [...roles, 'sallyport_sealer', 'sallyport_app'])
        await queryRows(stores.databaseUrl)(`DROP ROLE IF EXISTS ${role}`);
      for (const [login, right] of [
        ['tenant', 'NOCREATEROLE'],
        ['deployer', 'CREATEROLE'],
      ]) {
        await queryRows(stores.databaseUrl)(`CREATE ROLE ${login} LOGIN ${right} PASSWORD 'own'`);
        await queryRows(stores.databaseUrl)(`CREATE DATABASE ${login} OWNER ${login}`);
        const url = new URL(stores.databaseUrl);
        Object.assign(url, { username: login, password: 'own', pathname: `/${login}` });
        await migrate(url.href);
        for (const role of roles) {
          const pool = open(role, url.href);
          if (right === 'NOCREATEROLE') await expect(pool.query('SELECT 1')).rejects.toMatchObject({ code: '0P000' });
          else {
            expect((await pool.query('SELECT current_user AS role')).rows).toEqual([{ role }]);
            await pool.query(`SELECT audit_record('test.done', 'ok', 'user', 'u1')`);
          }
          await pool.end();
        }
      }
    } finally {
      await stores.dispose();
    }
  });

  test('is refused if it may grant a role but not assume it', async () => {
    const login = `t_${randomBytes(6).toString('hex')}`;
    await queryRows(harness.databaseUrl)(`CREATE ROLE ${login} LOGIN PASSWORD 'own'`);
    await queryRows(harness.databaseUrl)(
      `GRANT sallyport_log_sealer TO ${login} WITH ADMIN TRUE, INHERIT FALSE, SET FALSE`,
    );
    const url = new URL(harness.databaseUrl);
    Object.assign(url, { username: login, password: 'own' });
    const pool = open('sallyport_log_sealer', url.href);
    await expect(pool.query('SELECT 1')).rejects.toMatchObject({ code: '0P000' });
    await pool.end();
    await queryRows(harness.databaseUrl)(`DROP ROLE ${login}`);
  });
});

describe('a login for reports', () => {
  const login = `t_${randomBytes(6).toString('hex')}`;
  const ask = (statement: string): Promise<unknown[]> => {
    const url = new URL(harness.databaseUrl);
    Object.assign(url, { username: login, password: 'own' });
    return queryRows(url.href)(statement);
  };
  beforeAll(() => queryRows(harness.databaseUrl)(`CREATE ROLE ${login} LOGIN PASSWORD 'own' IN ROLE sallyport_report`));
  afterAll(() => queryRows(harness.databaseUrl)(`DROP ROLE ${login}`));

  test('reads the sealed log and the evidence of compliance, and no other table', async () => {
    expect((await ask('SELECT seq FROM audit_events')).length).toBeGreaterThanOrEqual(3);
    const readable = (await ask(
      `SELECT relname AS name FROM pg_class WHERE relkind IN ('r', 'p') AND relnamespace = current_schema()::regnamespace
         AND has_table_privilege(oid, 'SELECT') ORDER BY relname`,
    )) as { name: string }[];
    expect(readable.map(({ name }) => name)).toEqual(
      `audit_checkpoints audit_events audit_log audit_tiles compliance_attestations compliance_controls
      compliance_evidence compliance_findings compliance_log_reads compliance_reports
      compliance_violations`.split(/\s+/),
    );
  });

  test.each([
    ...NONE_MAY,
    ...APPLICATION_MAY_NOT,
    'SELECT * FROM audit_personal',
    'SELECT * FROM audit_outbox',
    'SELECT * FROM users',
    'SELECT * FROM key_policy',
    'UPDATE compliance_reports SET id = id',
    'DELETE FROM compliance_evidence',
    `SELECT audit_outbox_partition('2020-01-01')`,
    'SET ROLE sallyport_app',
  ])('may not: %s', (statement) => expect(ask(statement)).rejects.toMatchObject({ code: '42501' }));
});

describe('rights that a process has', () => {
  test('each connection runs as its role', async () => {
    for (const [role, pool] of Object.entries(pools))
      expect((await pool.query('SELECT current_user AS role')).rows).toEqual([{ role }]);
  });

  test('sallyport_app still reads and writes every table that was not sealed, for the release before', async () => {
    const tables = await queryRows(harness.databaseUrl)<{ name: string; may: boolean }>`
      SELECT relname AS name, has_table_privilege('sallyport_app', oid, 'SELECT')
         AND (relname LIKE 'audit\\_%' OR relname = '_prisma_migrations'
           OR has_table_privilege('sallyport_app', oid, 'INSERT')
             AND has_table_privilege('sallyport_app', oid, 'UPDATE')
           AND has_table_privilege('sallyport_app', oid, 'DELETE')) AS may
       FROM pg_class WHERE relkind IN ('r', 'p') AND relnamespace = current_schema()::regnamespace`;
    expect(tables.length).toBeGreaterThan(20);
    expect(tables.filter(({ may }) => !may)).toEqual([]);
    await pools.sallyport_api.query(`SELECT audit_record('test.done', 'ok', 'user', 'u1')`);
  });

  test('the sealer cannot change a daily partition, also when partitions are created and dropped', async () => {
    const { sallyport_log_sealer: sealer } = pools;
    expect((await sealer.query(`SELECT audit_outbox_partition('2020-01-01') AS done`)).rows).toEqual([{ done: true }]);
    await expect(sealer.query('DELETE FROM audit_outbox_20200101')).rejects.toMatchObject({ code: '42501' });
    // A table that the caller created cannot replace a partition of the log.
    const client = await sealer.connect();
    await client.query('CREATE TEMP TABLE audit_outbox (seq bigint)');
    expect((await client.query(`SELECT audit_outbox_detach('2020-01-01') AS done`)).rows).toEqual([{ done: true }]);
    client.release(true);
    expect((await sealer.query(`SELECT audit_outbox_drop('2020-01-01') AS done`)).rows).toEqual([{ done: true }]);
  });
});
