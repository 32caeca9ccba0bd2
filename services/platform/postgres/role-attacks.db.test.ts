// Attacks by a process that was taken over, each as its role of PostgreSQL: what its tools and jobs never do is refused.
import type pg from 'pg';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { queryRows } from '#tools/testing/harness/ports.ts';
import { createTestDatabase } from '#tools/testing/harness/stores.ts';
import { opened } from '#tools/testing/opened.ts';
import { createPool } from './pool.ts';
import type { ProcessRole } from './transaction-settings.ts';

const pools = new Map<ProcessRole, pg.Pool>();
const roles = ['sallyport_api', 'sallyport_mcp', 'sallyport_worker', 'sallyport_log_sealer'] as const;

/** An administrator with two factors, another user, and what was revoked or encrypted. */
const VICTIMS = `
  INSERT INTO users (id, email, name, "emailVerified") VALUES
    ('boss', 'boss@example.com', 'Boss', now()), ('mole', 'mole@example.com', 'Mole', now());
  INSERT INTO user_roles (user_id, role) VALUES ('boss', 'admin');
  INSERT INTO accounts (id, "accountId", "providerId", "userId", password) VALUES
    ('boss-password', 'boss', 'credential', 'boss', 'digest of the boss'), ('mole-password', 'mole', 'credential', 'mole', 'digest of the mole');
  INSERT INTO two_factors (id, "userId", secret, "backupCodes", verified) VALUES ('boss-app', 'boss', 'secret', 'codes', true);
  INSERT INTO passkeys (id, "userId", name, "publicKey", "credentialID", counter, "deviceType", "backedUp")
    VALUES ('boss-passkey', 'boss', 'key', 'key', 'credential', 0, 'singleDevice', false);
  INSERT INTO sessions (id, "userId", token, "expiresAt") VALUES ('mole-session', 'mole', 'token', now() + interval '1 day');
  INSERT INTO revocations (kind, value, reason, user_id, expires_at) VALUES ('sid', 'stolen', 'stolen', 'mole', now() + interval '1 hour');
  INSERT INTO phi_keys (version, sealed) VALUES (1, 'sealed');
  INSERT INTO phi_data_keys (id, subject_id, level, version, kek_version, wrapped)
    VALUES (gen_random_uuid(), 'boss', 'high', 1, 1, 'wrapped');
  INSERT INTO signoffs (id, act, title, arguments, arguments_sha256, requested_by_kind, requested_by, barred_users, required_roles,
    quorum, no_open_incident, expires_at) VALUES (gen_random_uuid(), 'keys.rotate', 'Rotate', '{}', encode(sha256('{}'), 'hex'), 'user', 'mole',
    '{mole}', '{developer,tech_lead}', 2, true, now() + interval '1 hour');`;

const database = opened(createTestDatabase);
beforeAll(async () => {
  await queryRows(database.url)(VICTIMS);
  for (const role of roles)
    pools.set(
      role,
      createPool({
        url: database.url,
        role,
        connections: 1,
        applicationName: 'attack',
        statementTimeoutMs: 10_000,
        lockTimeoutMs: 5_000,
        connectTimeoutMs: 10_000,
      }),
    );
});
afterAll(() => Promise.all([...pools.values()].map((pool) => pool.end())));

/** What an attack may fail with: a right that the role lacks, or the condition of a rule of the database. */
async function refusalOf(role: ProcessRole, statement: string): Promise<string | undefined> {
  const client = await pools.get(role)!.connect();
  try {
    await client.query('BEGIN');
    return await client.query(statement).then(
      () => undefined,
      (err: { code?: string }) => err.code,
    );
  } finally {
    await client.query('ROLLBACK');
    client.release();
  }
}

const BECOME_ADMINISTRATOR = [
  `INSERT INTO user_roles (user_id, role) VALUES ('mole', 'admin')`,
  `UPDATE users SET roles = '{admin}' WHERE id = 'mole'`,
  `INSERT INTO role_permissions (role, permission) VALUES ('user', 'keys:manage')`,
  `INSERT INTO roles (name, description) VALUES ('mole', 'all')`,
  `UPDATE sessions SET "userId" = 'boss' WHERE id = 'mole-session'`,
  `UPDATE sessions SET token = 'known' WHERE "userId" = 'boss'`,
  `INSERT INTO sessions (id, "userId", token, "expiresAt") VALUES ('mine', 'boss', 'mine', now() + interval '1 day')`,
  `UPDATE accounts SET "userId" = 'boss' WHERE "userId" = 'mole'`,
  `INSERT INTO api_keys SELECT * FROM api_keys`,
  `INSERT INTO refresh_families SELECT * FROM refresh_families`,
  `INSERT INTO oauth_codes SELECT * FROM oauth_codes`,
  `UPDATE oauth_clients SET redirect_uris = '{https://mole.example.com}'`,
  `UPDATE oauth_clients SET secret_hash = 'known'`,
  `UPDATE one_time_codes SET email = 'mole@example.com'`,
  `INSERT INTO agents SELECT * FROM agents`,
  `INSERT INTO signoff_decisions SELECT * FROM signoff_decisions`,
  `UPDATE signoff_policies SET quorum = 1`,
];
const WEAKEN = [
  `DELETE FROM two_factors WHERE "userId" = 'boss'`,
  `UPDATE two_factors SET secret = 'known' WHERE "userId" = 'boss'`,
  `DELETE FROM passkeys WHERE "userId" = 'boss'`,
  `UPDATE passkeys SET "publicKey" = 'known' WHERE "userId" = 'boss'`,
  `SELECT remove_factors_since('boss', '2000-01-01')`,
  `DELETE FROM revocations WHERE value = 'stolen'`,
  `UPDATE revocations SET expires_at = now() WHERE value = 'stolen'`,
  `UPDATE revocations SET epoch = NULL WHERE value = 'stolen'`,
  `UPDATE revocations SET value = 'another' WHERE value = 'stolen'`,
  `SELECT collapse_revocations('user', '{mole}')`,
  `SELECT collapse_revocations('client', NULL)`,
  `UPDATE users SET "twoFactorEnabled" = "twoFactorEnabled", "tokenEpoch" = 0, id = id`,
  `UPDATE users SET "tokenEpoch" = -1`,
  `UPDATE oauth_clients SET "tokenEpoch" = -1`,
  `UPDATE signal_transmitters SET own_ids = true`,
  `DELETE FROM signoff_policies`,
];
/** Which of them are the work of the API. */
const API_MAY = new Set([
  ...BECOME_ADMINISTRATOR,
  WEAKEN[0],
  WEAKEN[1],
  WEAKEN[2],
  WEAKEN[3],
  // They raise the epochs that cover what they drop: `collapsed-revocations.db.test.ts`.
  `SELECT collapse_revocations('user', '{mole}')`,
  `SELECT collapse_revocations('client', NULL)`,
  `UPDATE users SET "twoFactorEnabled" = "twoFactorEnabled", "tokenEpoch" = 0, id = id`,
  `DELETE FROM signoff_policies`,
]);
const MCP_ALONE = [
  `UPDATE accounts SET password = 'digest of the mole' WHERE "userId" = 'boss'`,
  `INSERT INTO accounts (id, "accountId", "providerId", "userId") VALUES ('mine', 'mine', 'google', 'boss')`,
  `INSERT INTO passkeys SELECT * FROM passkeys`,
  `UPDATE users SET email = 'mole@example.com' WHERE id = 'boss'`,
  `UPDATE users SET "disabledAt" = now() WHERE id = 'boss'`,
  `DELETE FROM users WHERE id = 'boss'`,
  `UPDATE jwks SET "privateKey" = 'known'`,
  `INSERT INTO jwks SELECT * FROM jwks`,
  'DELETE FROM jwks',
  `UPDATE server_secrets SET secret = 'known'`,
  'DELETE FROM sessions',
  `INSERT INTO revocations (kind, value, reason, expires_at) VALUES ('key', 'ours', 'mine', now() + interval '1 day')`,
  'DELETE FROM phi_data_keys',
  `UPDATE phi_data_keys SET wrapped = ''`,
  `UPDATE feed_state SET incarnation = gen_random_uuid()`,
  `UPDATE imports SET state = 'running'`,
  `UPDATE agents SET owner_id = 'boss'`,
  'DELETE FROM login_failures',
  'DELETE FROM mail_outbox',
  'DELETE FROM handoff_deliveries',
  `UPDATE incidents SET state = 'closed'`,
  `UPDATE compliance_reports SET bundle = NULL`,
  `UPDATE signoffs SET arguments = '{}'`,
  `UPDATE mcp_tasks SET caller_id = 'boss'`,
];

describe('a process that was taken over', () => {
  test.each([
    ...[...BECOME_ADMINISTRATOR, ...WEAKEN].map((attack) => ['sallyport_worker', attack] as const),
    ...[...BECOME_ADMINISTRATOR, ...WEAKEN, ...MCP_ALONE].map((attack) => ['sallyport_mcp', attack] as const),
    ...[...BECOME_ADMINISTRATOR, ...WEAKEN, ...MCP_ALONE].map((attack) => ['sallyport_log_sealer', attack] as const),
    ...WEAKEN.filter((attack) => !API_MAY.has(attack)).map((attack) => ['sallyport_api', attack] as const),
    ['sallyport_api', 'DELETE FROM phi_data_keys'] as const,
    ['sallyport_worker', `UPDATE jwks SET id = 'another'`] as const,
  ])('as %s cannot: %s', async (role, attack) => expect(await refusalOf(role, attack)).toBe('42501'));
});

describe('what a rule of the database lets through', () => {
  test('a worker deletes a revocation that expired', async () => {
    await queryRows(database.url)`INSERT INTO revocations (kind, value, reason, expires_at)
      VALUES ('jti', 'old', 'old', now() - interval '1 hour')`;
    expect(await refusalOf('sallyport_worker', `DELETE FROM revocations WHERE value = 'old'`)).toBeUndefined();
  });

  test('a worker gives a user the roles that the mapping of a running import names', async () => {
    const give = `INSERT INTO user_roles (user_id, role) VALUES ('mole', 'auditor')`;
    expect(await refusalOf('sallyport_worker', give)).toBe('42501');
    await queryRows(database.url)`
      INSERT INTO imports (id, kind, source_sha256, map_sha256, source_bytes, map, state, actor_kind, reason)
      VALUES (gen_random_uuid(), 'csv', repeat('0', 64), repeat('0', 64), 0, '{"roles": {"theirs": "auditor"}}',
        'running', 'user', 'test')`;
    expect(await refusalOf('sallyport_worker', give)).toBeUndefined();
    expect(await refusalOf('sallyport_worker', BECOME_ADMINISTRATOR[0]!)).toBe('42501');
  });

  const incident = (values: Readonly<Record<string, string>>): string => {
    const columns = {
      id: 'gen_random_uuid()',
      detection: `'test'`,
      severity: `'low'`,
      subject_kind: `'user'`,
      subject_id: `'boss'`,
      ...values,
    };
    return `INSERT INTO incidents (${Object.keys(columns).join()}) VALUES (${Object.values(columns).join()})`;
  };
  const REMOVE = `SELECT remove_factors_since('boss', '2000-01-01')`;
  test('a worker removes factors beside an open incident about that account, raised in the same transaction', async () => {
    for (const state of ['open', 'acknowledged'])
      expect(await refusalOf('sallyport_worker', `${incident({ state: `'${state}'` })}; ${REMOVE}`)).toBeUndefined();
  });
  test.each([
    ['about another account', { subject_id: `'mole'` }],
    ['about a client of that name', { subject_kind: `'client'` }],
    ['that is closed', { state: `'closed'` }],
    ['of an earlier transaction', { last_seen_at: `now() - interval '1 second'` }],
    ['dated ahead', { last_seen_at: `now() + interval '1 day'` }],
  ])('a worker removes no factors beside an incident %s', async (_which, values) => {
    expect(await refusalOf('sallyport_worker', `${incident(values)}; ${REMOVE}`)).toBe('42501');
  });
  test('a worker removes no factors beside an incident that a user is closing', async () => {
    const [worker, api] = await Promise.all([
      pools.get('sallyport_worker')!.connect(),
      pools.get('sallyport_api')!.connect(),
    ]);
    try {
      await worker.query('BEGIN');
      await queryRows(database.url)(incident({}));
      await worker.query('SAVEPOINT before');
      await worker.query(REMOVE);
      await worker.query('ROLLBACK TO before');
      await api.query('BEGIN');
      await api.query(`UPDATE incidents SET state = 'closed', reason = 'test' WHERE subject_id = 'boss'`);
      await expect(worker.query(REMOVE)).rejects.toMatchObject({ code: '42501' });
    } finally {
      for (const client of [worker, api]) {
        await client.query('ROLLBACK');
        client.release();
      }
      await queryRows(database.url)`DELETE FROM incidents`;
    }
  });

  test('an API drops single revocations, and the epoch that covers them rises with it', async () => {
    const collapse = `DO $$ BEGIN
      IF (collapse_revocations('user', '{mole}')).dropped <> 1 THEN RAISE 'not dropped'; END IF;
      IF NOT EXISTS (SELECT FROM revocations WHERE kind = 'user' AND value = 'mole' AND token_epoch = 1) THEN RAISE 'not covered'; END IF;
    END $$`;
    expect(await refusalOf('sallyport_api', collapse)).toBeUndefined();
  });
});

/** Every role may make tables and functions of its own in a session; none takes the place of one of ours. */
const AROUND = [
  [
    'sallyport_worker',
    'a table of its own named imports',
    `CREATE TEMP TABLE imports AS SELECT 'running' AS state, '{"roles": {"a": "admin"}}'::jsonb AS map; INSERT INTO user_roles (user_id, role) VALUES ('mole', 'admin')`,
  ],
  [
    'sallyport_worker',
    'a table of its own named pg_class',
    `CREATE TEMP TABLE pg_class (oid oid, relowner oid); INSERT INTO pg_class SELECT 'user_roles'::regclass, current_user::regrole; SET LOCAL search_path = pg_temp, pg_catalog, public; INSERT INTO user_roles (user_id, role) VALUES ('mole', 'admin')`,
  ],
  [
    'sallyport_worker',
    'a trigger of its own',
    `CREATE TEMP TABLE mine (a int); CREATE FUNCTION pg_temp.f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN INSERT INTO user_roles (user_id, role) VALUES (''mole'', ''admin''); RETURN NEW; END'; CREATE TRIGGER mine BEFORE INSERT ON mine FOR EACH ROW EXECUTE FUNCTION pg_temp.f(); INSERT INTO mine VALUES (1)`,
  ],
  [
    'sallyport_worker',
    'a table of its own named users',
    `CREATE TEMP TABLE users AS SELECT 'boss' AS id, now() AS "createdAt", false AS "owesFactor", NULL::timestamptz AS "disabledAt"; INSERT INTO sessions (id, "userId", token, "expiresAt") VALUES ('mine', 'boss', 'mine', now() + interval '1 day')`,
  ],
  [
    'sallyport_worker',
    'revocations: a table named pg_class',
    `CREATE TEMP TABLE pg_class (oid oid, relowner oid); INSERT INTO pg_class SELECT 'revocations'::regclass, current_user::regrole; SET LOCAL search_path = pg_temp, pg_catalog, public; DELETE FROM revocations WHERE value = 'stolen'`,
  ],
  [
    'sallyport_mcp',
    'approvals of its own',
    `CREATE TEMP TABLE signoff_decisions AS SELECT s.id AS signoff_id, 'boss' AS user_id, 'developer' AS role, now() AS decided_at, NULL AS comment, 'approve' AS decision FROM signoffs s, generate_series(1, 2); CREATE TEMP TABLE users AS SELECT 'boss' AS id, NULL::timestamptz AS "disabledAt", '{developer}'::text[] AS roles; DO $$ BEGIN UPDATE signoffs SET state = 'approved' WHERE state = 'pending'; IF NOT FOUND THEN RAISE 'nothing pending'; END IF; END $$`,
  ],
] as const;
test.each(AROUND)('a process that was taken over, as %s, goes round no rule by %s', async (role, _how, attack) => {
  expect(await refusalOf(role, attack)).toBe('42501');
});
test('every rule of the database looks in our schema before it looks at tables of the caller', async () => {
  const elsewhere = await queryRows(database.url)`SELECT proname FROM pg_proc
    WHERE pronamespace = current_schema()::regnamespace AND (prosecdef OR prorettype = 'trigger'::regtype)
    AND NOT coalesce('search_path=' || quote_ident(current_schema()) || ', pg_temp' = ANY (proconfig), false)
      ORDER BY proname`;
  expect(elsewhere).toEqual([]);
});
