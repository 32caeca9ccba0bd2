import { mkdtemp, rm, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import type { machineControlNames } from '#observability/metrics/compliance.ts';
import { createVault } from '#services/platform/crypto/vault.ts';
import { installationOf } from '#services/worker/installation.ts';
import { TEST_ORIGIN } from '#testing/harness/log.ts';
import { apiKeyPurges } from '../api-keys/api-key-purges.ts';
import { type Changes, type ComplianceHarness, openComplianceHarness } from './compliance-harness.ts';
import { isMachine, type MachineControl } from './control.ts';
import { controls } from './controls/all.ts';

vi.setConfig({ testTimeout: 60_000 });

let harness: ComplianceHarness;
let backups: string;
beforeAll(async () => {
  harness = await openComplianceHarness();
  backups = await mkdtemp(join(tmpdir(), 'sallyport-backups-'));
  await harness.emit(3);
  await harness.seal();
  await run(
    `INSERT INTO users (id, email, name, "emailVerified") VALUES ('ada', 'ada@people.test', 'Ada', now())`,
    `INSERT INTO sessions (id, "userId", token, "expiresAt") VALUES ('s1', 'ada', 't1', now() + interval '1 hour')`,
  );
});
afterAll(async () => {
  await harness?.end();
  await rm(backups, { recursive: true, force: true });
});

const run = async (...statements: readonly string[]): Promise<void> => {
  for (const statement of statements) await harness.raw(statement);
};
const past = (...statements: readonly string[]) => harness.pastTriggers(...statements);

type Scene = {
  /** What the check sees before it is broken. */
  readonly healthy?: () => Promise<Changes | undefined> | Promise<void> | Changes;
  readonly before?: 'pass' | 'not_applicable';
  /** Breaks the control; what it returns is what the check then sees. */
  readonly breakIt: () => Promise<Changes | undefined> | Promise<void> | Changes;
  /** The resource that the exception names. */
  readonly names: string | RegExp;
  readonly repair?: () => Promise<unknown>;
};

const UUID = /^[0-9a-f-]{36}$/;
const DISCLOSURE = '01890000-0000-7000-8000-000000000001';
const insertDisclosure = `INSERT INTO phi_disclosures (id, subject_id, purpose, disclosed_at, encrypted)
  VALUES ('${DISCLOSURE}', 'p1', 'legal', now(), '{}')`;
const consent = (version: number, granted: boolean, ago: string): string =>
  `INSERT INTO phi_consents (id, subject_id, purpose, version, granted, terms, recorded_at)
   VALUES (gen_random_uuid(), 'study', 'research', ${version}, ${granted}, 'x', now() - interval '${ago}')`;
const FAILURES = 'login_failures_count(text[], text, text, float8, integer, integer, float8, float8)';
const DIGEST = `$2b$12$${'a'.repeat(53)}`;
const HASH = 'h'.repeat(43);
const client = (id: string, columns: string, values: string): string =>
  `INSERT INTO oauth_clients (id, "clientId", ${columns}) VALUES ('${id}', '${id}', ${values})`;

const scenes: Readonly<Record<(typeof machineControlNames)[number], Scene>> = {
  'idle-sessions-refused': {
    breakIt: () => ({ env: { SESSION_IDLE_TWO_FACTORS: '0' } }),
    names: 'SESSION_IDLE_TWO_FACTORS',
  },
  'sessions-expire': {
    breakIt: () => run(`UPDATE sessions SET "expiresAt" = now() + interval '20 years' WHERE id = 's1'`),
    names: 's1',
    repair: () => run(`UPDATE sessions SET "expiresAt" = now() + interval '1 hour' WHERE id = 's1'`),
  },
  'forbidden-sql-refused': {
    breakIt: () => run('GRANT DELETE ON audit_outbox TO sallyport_app'),
    names: 'delete unsealed events',
    repair: () => run('REVOKE DELETE ON audit_outbox FROM sallyport_app'),
  },
  'audit-append-only': {
    breakIt: () => run('ALTER TABLE audit_events DISABLE TRIGGER audit_events_only_grow'),
    names: 'no enabled trigger refuses DELETE',
    repair: () => run('ALTER TABLE audit_events ENABLE TRIGGER audit_events_only_grow'),
  },
  'audit-log-recomputed': {
    breakIt: () => past(`UPDATE audit_events SET outcome = 'other' WHERE seq = 1`),
    names: /event 1/,
    repair: () => past(`UPDATE audit_events SET outcome = 'ok' WHERE seq = 1`),
  },
  'audit-sealing-current': {
    breakIt: () =>
      run(
        `INSERT INTO audit_outbox (type, outcome, actor_kind, actor_id, occurred_at)
         VALUES ('test.late', 'ok', 'system', 'test', clock_timestamp() - interval '10 minutes')`,
      ),
    names: 'audit log',
    repair: () => harness.seal(),
  },
  'audit-checkpoints-published': {
    healthy: () =>
      run(
        `INSERT INTO audit_sinks (sink, origin, size, published_at) VALUES ('file', '${TEST_ORIGIN}', 3, now())
         ON CONFLICT (sink) DO UPDATE SET failing_since = NULL`,
      ),
    breakIt: () => run(`UPDATE audit_sinks SET failing_since = now() - interval '2 hours'`),
    names: /^file/,
  },
  'audit-head-signed': {
    breakIt: () => run(`UPDATE audit_checkpoints SET note = reverse(note)`),
    names: TEST_ORIGIN,
    repair: () => run(`UPDATE audit_checkpoints SET note = reverse(note)`),
  },
  'audit-log-not-rewound': {
    breakIt: () => run('UPDATE audit_log SET size = size - 1'),
    names: TEST_ORIGIN,
    repair: () => run('UPDATE audit_log SET size = size + 1'),
  },
  'events-have-actors': {
    breakIt: () => past('UPDATE audit_events SET actor_id = NULL WHERE seq = 1'),
    names: '1',
    repair: () => past(`UPDATE audit_events SET actor_id = 'u1' WHERE seq = 1`),
  },
  'events-without-personal-data': {
    breakIt: () => past(`UPDATE audit_events SET detail = '{"note":"ada@people.test"}' WHERE seq = 1`),
    names: '1',
    repair: () => past(`UPDATE audit_events SET detail = '{"n":2}' WHERE seq = 1`),
  },
  'log-lines-redacted': {
    breakIt: () => ({ installation: { redactLine: (line) => line } }),
    names: 'password field',
  },
  'subjects-unique': {
    breakIt: () => run(`INSERT INTO users (id, email) VALUES ('ada2', 'ADA@people.test')`),
    names: /^ada/,
    repair: () => run(`DELETE FROM users WHERE id = 'ada2'`),
  },
  'disabled-users-without-access': {
    healthy: () => run(`INSERT INTO users (id, email, "disabledAt") VALUES ('gone', 'gone@people.test', now())`),
    breakIt: () =>
      past(
        `INSERT INTO sessions (id, "userId", token, "expiresAt") VALUES ('s2', 'gone', 't2', now() + interval '1 hour')`,
      ),
    names: 'gone',
    repair: () => past(`DELETE FROM sessions WHERE id = 's2'`),
  },
  'disabling-ends-access': {
    breakIt: () => run('ALTER TABLE users DISABLE TRIGGER users_changed'),
    names: 'sessions',
    repair: () => run('ALTER TABLE users ENABLE TRIGGER users_changed'),
  },
  'second-factor-enforced': {
    healthy: () => ({ env: { MFA_REQUIRED_ROLES: 'admin,operator,compliance,privacy_officer' } }),
    breakIt: async () => {
      await run(
        `INSERT INTO roles (name, description) VALUES ('boss', 'Test')`,
        `INSERT INTO role_permissions (role, permission) VALUES ('boss', 'users:manage')`,
      );
      return { env: { MFA_REQUIRED_ROLES: 'admin,operator,compliance,privacy_officer' } };
    },
    names: 'boss',
    repair: () => run(`DELETE FROM roles WHERE name = 'boss'`),
  },
  'second-factor-enrolled': {
    healthy: () =>
      run(
        `INSERT INTO user_roles (user_id, role) VALUES ('ada', 'admin')`,
        `INSERT INTO passkeys (id, "userId", "publicKey", "credentialID", counter, "deviceType", "backedUp")
         VALUES ('p1', 'ada', 'k', 'c1', 0, 'singleDevice', false)`,
      ),
    breakIt: () =>
      run(
        `INSERT INTO users (id, email) VALUES ('bob', 'bob@people.test')`,
        `INSERT INTO user_roles (user_id, role) VALUES ('bob', 'admin')`,
      ),
    names: 'bob',
  },
  'guessing-locks-accounts': {
    breakIt: () =>
      run(
        `ALTER FUNCTION ${FAILURES} RENAME TO login_failures_real`,
        `CREATE FUNCTION login_failures_count(keys text[], who text, subject text, a float8, b integer, c integer, d float8, e float8)
         RETURNS TABLE (counter text, total integer, was_locked boolean, began_lock boolean, locked_seconds integer)
         LANGUAGE sql AS $$ SELECT keys[1], 1, false, false, 0 $$`,
      ),
    names: 'account',
    repair: () =>
      run(
        `DROP FUNCTION ${FAILURES}`,
        `ALTER FUNCTION ${FAILURES.replace('_count', '_real')} RENAME TO login_failures_count`,
      ),
  },
  'passwords-hashed': {
    healthy: () =>
      run(
        `INSERT INTO accounts (id, "accountId", "providerId", "userId", password) VALUES ('a1', 'ada', 'credential', 'ada', '${DIGEST}')`,
      ),
    breakIt: () => run(`UPDATE accounts SET password = '${DIGEST.replace('$12$', '$04$')}' WHERE id = 'a1'`),
    names: 'ada',
  },
  'client-secrets-hashed': {
    healthy: () => run(client('c1', '"clientSecret"', `'${HASH}'`)),
    breakIt: () => run(`UPDATE oauth_clients SET "clientSecret" = 'in clear' WHERE id = 'c1'`),
    names: 'c1',
  },
  'clients-authenticate': {
    healthy: () => run(client('c2', '"clientSecret", "grantTypes"', `'${HASH}', '{client_credentials}'`)),
    breakIt: () => run(`UPDATE oauth_clients SET "tokenEndpointAuthMethod" = 'none' WHERE id = 'c2'`),
    names: 'c2',
  },
  'unvetted-clients-without-rights': {
    healthy: () => run(client('c3', 'origin, scopes', `'registration', '{openid}'`)),
    breakIt: () => run(`UPDATE oauth_clients SET scopes = '{openid,users:read}' WHERE id = 'c3'`),
    names: 'c3',
  },
  'open-roles-without-permissions': {
    breakIt: () => run(`INSERT INTO role_permissions (role, permission) VALUES ('user', 'users:read')`),
    names: 'user',
    repair: () => run(`DELETE FROM role_permissions WHERE role = 'user'`),
  },
  'transport-public-tls': {
    healthy: () => ({ env: { BETTER_AUTH_URL: 'https://auth.example.test' } }),
    breakIt: () => ({ env: { BETTER_AUTH_URL: 'http://auth.example.test' } }),
    names: 'BETTER_AUTH_URL',
  },
  'transport-database-tls': {
    before: 'not_applicable',
    breakIt: () => ({ installation: { database: { isLocal: false, asksForTls: true } } }),
    names: 'DATABASE_URL',
  },
  'transport-redis-tls': {
    healthy: () => ({ installation: { redis: { isLocal: false, asksForTls: true } } }),
    breakIt: () => ({ installation: { redis: { isLocal: false, asksForTls: false } } }),
    names: 'REDIS_URL',
  },
  'signing-keys-rotated': {
    breakIt: () =>
      run(`UPDATE jwks SET signs = tstzrange(now() - interval '60 days', upper(signs)) WHERE purpose = 'access'`),
    names: /./,
  },
  'keys-encrypted': {
    breakIt: () => run(`UPDATE server_secrets SET secret = 'in clear ' || secret WHERE purpose = 'pepper'`),
    names: 'server_secrets pepper 1',
    repair: () => run(`UPDATE server_secrets SET secret = substr(secret, 10) WHERE purpose = 'pepper'`),
  },
  'phi-keys-encrypted': {
    healthy: () =>
      run(
        `INSERT INTO phi_keys (version, sealed) VALUES (1, '${harness.vault.seal(Buffer.alloc(32, 1), 'test')}')`,
        `INSERT INTO phi_data_keys (id, subject_id, level, version, kek_version, wrapped)
         VALUES (gen_random_uuid(), 'p1', 'standard', 1, 1, 'dk1.${'a'.repeat(96)}')`,
      ),
    breakIt: () => run(`UPDATE phi_data_keys SET wrapped = 'in clear'`),
    names: /^phi_data_keys /,
    repair: () => run(`UPDATE phi_data_keys SET wrapped = 'dk1.${'a'.repeat(96)}'`),
  },
  'phi-keys-rotated': {
    breakIt: () => run(`UPDATE phi_keys SET created_at = now() - interval '92 days'`),
    names: '1',
    repair: () => run('UPDATE phi_keys SET created_at = now()'),
  },
  'mail-encrypted': {
    healthy: () =>
      run(
        `INSERT INTO mail_outbox (id, template, sealed) VALUES (gen_random_uuid(), 'test', '${harness.vault.seal(Buffer.from('To: ada'), 'test')}')`,
      ),
    breakIt: () => run(`UPDATE mail_outbox SET sealed = 'To: ada'`),
    names: /^mail_outbox /,
  },
  'key-custody': {
    healthy: () => ({ env: { KEY_ENCRYPTION_KEY: Buffer.alloc(32, 7).toString('base64') } }),
    breakIt: () => ({ env: {} }),
    names: 'KEY_ENCRYPTION_KEY',
  },
  'retired-keys-destroyed': {
    healthy: () =>
      run(
        `INSERT INTO jwks (id, purpose, alg, "publicKey", "privateKey", signs, longest_token_seconds)
         VALUES ('old', 'earlier', 'EdDSA', '{}', '', tstzrange(now() - interval '60 days', now() - interval '30 days'), 900)`,
      ),
    breakIt: () => run(`UPDATE jwks SET "privateKey" = 'v1.${'a'.repeat(40)}' WHERE id = 'old'`),
    names: 'old',
    repair: () => run(`UPDATE jwks SET "privateKey" = '' WHERE id = 'old'`),
  },
  'expired-data-removed': {
    healthy: () => ({ installation: { purges: apiKeyPurges } }),
    breakIt: async () => {
      await run(
        `INSERT INTO api_key_nonces (nonce_hash, expires_at) VALUES (decode(repeat('ab', 32), 'hex'), now() - interval '2 days')`,
      );
      return { installation: { purges: apiKeyPurges } };
    },
    names: 'api_key_nonces',
    repair: () => run('DELETE FROM api_key_nonces'),
  },
  'records-kept-six-years': {
    breakIt: () => run('GRANT DELETE ON audit_tiles TO sallyport_app'),
    names: 'audit_tiles',
    repair: () => run('REVOKE DELETE ON audit_tiles FROM sallyport_app'),
  },
  'state-not-rewound': {
    healthy: async () => {
      await run('UPDATE feed_state SET beat = 7');
      const [row] = await harness.raw<{ incarnation: string; epoch: number }>(
        'SELECT incarnation, revocation_epoch AS epoch FROM feed_state',
      );
      harness.marks.current = { incarnation: row?.incarnation ?? '', revocationEpoch: row?.epoch ?? 0, beat: 7 };
    },
    breakIt: () => run('UPDATE feed_state SET beat = 6'),
    names: 'database',
  },
  'backups-recent': {
    healthy: async () => {
      await writeFile(join(backups, 'sallyport.dump'), 'rows');
      return { installation: withBackups() };
    },
    breakIt: async () => {
      const twoDaysAgo = Date.now() / 1_000 - 2 * 86_400;
      await utimes(join(backups, 'sallyport.dump'), twoDaysAgo, twoDaysAgo);
      return { installation: withBackups() };
    },
    names: 'backup',
  },
  'incidents-reviewed': {
    healthy: () => run(incident('closed', '10 days')),
    breakIt: () => run(incident('open', '4 days')),
    names: /^[0-9a-f-]{36}$/,
  },
  'events-reviewed': {
    healthy: () => run('UPDATE detection_progress SET seq = (SELECT max(seq) FROM audit_events)'),
    breakIt: () => run(`INSERT INTO unjudged_events (seq, failure) VALUES (1, 'test')`),
    names: 'events set aside',
    repair: () => run('DELETE FROM unjudged_events'),
  },
  'scheduled-work-runs': {
    healthy: () =>
      run(
        `INSERT INTO job_schedules (job, queue, every_seconds, next_run_at, last_succeeded_at) VALUES ('some-job', 'q', 60, now(), now())`,
      ),
    breakIt: () => run(`UPDATE job_schedules SET last_succeeded_at = now() - interval '1 day'`),
    names: 'some-job',
  },
  'minimum-necessary-applied': {
    breakIt: () => rewriteInserts('phi_field_policies', `NEW.fields := '{*}'`),
    names: 'purpose with a policy',
    repair: () => keepInserts('phi_field_policies'),
  },
  'field-policies-limited': {
    breakIt: () => run(`INSERT INTO phi_field_policies (role, purpose, fields) VALUES ('auditor', 'payment', '{*}')`),
    names: 'auditor payment',
    repair: () => run(`DELETE FROM phi_field_policies WHERE role = 'auditor'`),
  },
  'restrictions-enforced': {
    healthy: () =>
      run(
        `INSERT INTO phi_restrictions (id, subject_id, purposes, created_at)
         VALUES (gen_random_uuid(), 'restricted', '{payment}', now() - interval '1 hour')`,
      ),
    breakIt: async () => {
      await emitUse('restricted', { purpose: 'payment', basis: 'break_glass' });
      expect((await harness.check(controlOf('restrictions-enforced'))).status).toBe('pass');
      await emitUse('restricted', { purpose: 'payment', basis: 'client' });
    },
    names: UUID,
  },
  'access-requests-answered': {
    healthy: () => run(`INSERT INTO phi_requests (id, kind, subject_id) VALUES (gen_random_uuid(), 'export', 'p1')`),
    breakIt: () => run(`UPDATE phi_requests SET due_at = now() - interval '1 hour'`),
    names: UUID,
    repair: () => run(`UPDATE phi_requests SET due_at = now() + interval '1 day'`),
  },
  'disclosures-recorded': {
    healthy: async () => {
      await run(insertDisclosure);
      await emitUse('p1', { disclosure_id: DISCLOSURE, disclosed_at: new Date().toISOString() }, 'phi.disclosed');
    },
    breakIt: () => past('DELETE FROM phi_disclosures'),
    names: /^event \d+$/,
    repair: () => run(insertDisclosure),
  },
  'emergency-access-works': {
    breakIt: () => rewriteInserts('phi_break_glass', `NEW.subject_id := 'elsewhere'`),
    names: 'during the access',
    repair: () => keepInserts('phi_break_glass'),
  },
  'emergency-access-reviewed': {
    healthy: () =>
      run(
        `INSERT INTO phi_break_glass (id, user_id, subject_id, expires_at)
         VALUES (gen_random_uuid(), 'ada', 'p1', clock_timestamp() + interval '1 hour')`,
      ),
    breakIt: () =>
      run(
        `UPDATE phi_break_glass SET opened_at = opened_at - interval '73 hours', expires_at = expires_at - interval '73 hours'`,
      ),
    names: UUID,
    repair: () => run(`UPDATE phi_break_glass SET outcome = 'justified', reviewed_at = now(), reviewed_by = 'bob'`),
  },
  'research-consented': {
    healthy: async () => {
      await run(consent(1, true, '2 hours'));
      await emitUse('study', { purpose: 'research', basis: 'client' });
    },
    breakIt: () => run(consent(2, false, '1 hour')),
    names: /^\d+$/,
    repair: () => past('DELETE FROM phi_consents WHERE version = 2'),
  },
  'privacy-records-kept': {
    breakIt: () => run('ALTER TABLE phi_consents DISABLE TRIGGER phi_consents_kept'),
    names: 'no enabled trigger refuses DELETE of phi_consents',
    repair: () => run('ALTER TABLE phi_consents ENABLE TRIGGER phi_consents_kept'),
  },
  'retention-applied': {
    breakIt: () =>
      run(
        `INSERT INTO phi_restrictions (id, subject_id, purposes, ended_at)
         VALUES (gen_random_uuid(), 'long-gone', '{legal}', now() - interval '2200 days')`,
      ),
    names: 'restrictions',
    repair: () => run(`INSERT INTO legal_holds (id, subject_id) VALUES (gen_random_uuid(), 'long-gone')`),
  },
};

/** A sealed event about a person. */
async function emitUse(subjectId: string, detail: object, type = 'phi.decrypted'): Promise<void> {
  await harness.raw(
    `INSERT INTO audit_outbox (type, outcome, actor_kind, actor_id, target_kind, target_id, detail)
     VALUES ($1, 'ok', 'system', 'test', 'subject', $2, $3::jsonb)`,
    [type, subjectId, JSON.stringify(detail)],
  );
  await harness.seal();
}

/** A defect that changes rows on their way into a table. */
const rewriteInserts = (table: string, change: string): Promise<void> =>
  run(
    `CREATE FUNCTION test_rewrite() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN ${change}; RETURN NEW; END $$`,
    `CREATE TRIGGER test_rewrite BEFORE INSERT ON ${table} FOR EACH ROW EXECUTE FUNCTION test_rewrite()`,
  );
const keepInserts = (table: string): Promise<void> =>
  run(`DROP TRIGGER test_rewrite ON ${table}`, 'DROP FUNCTION test_rewrite()');

const withBackups = () => {
  const { newestBackup } = installationOf({
    databaseUrl: 'postgresql://localhost/test',
    redisUrl: 'redis://localhost',
    backupFolder: backups,
    purges: [],
  });
  return { newestBackup };
};

const incident = (state: string, ago: string): string =>
  `INSERT INTO incidents (id, detection, severity, subject_kind, subject_id, state, first_seen_at)
   VALUES (gen_random_uuid(), 'test', 'high', 'installation', 'test', '${state}', now() - interval '${ago}')`;

const machine = controls.filter(isMachine);
const controlOf = (name: string): MachineControl => machine.find((control) => control.name === name) as MachineControl;

test('every control that a check decides can be seen to turn red', () => {
  expect(machine.map(({ name }) => name).sort()).toEqual(Object.keys(scenes).sort());
  expect(machine.length).toBeGreaterThanOrEqual(20);
  expect(new Set(controls.map(({ name }) => name)).size).toBe(controls.length);
});

test.each(Object.entries(scenes))('%s is green on a healthy system and red on a broken one', async (name, scene) => {
  const control = controlOf(name);
  const healthy = await scene.healthy?.();
  const before = await harness.check(control, healthy ?? {});
  expect(before).toMatchObject({ status: scene.before ?? 'pass', exceptionCount: 0 });
  try {
    const after = await harness.check(control, (await scene.breakIt()) ?? healthy ?? {});
    expect(after.status).toBe('fail');
    expect(after.exceptions.map(({ resource }) => resource)).toEqual(
      expect.arrayContaining([typeof scene.names === 'string' ? scene.names : expect.stringMatching(scene.names)]),
    );
    expect(after.observedSha256).not.toBe(before.observedSha256);
  } finally {
    await scene.repair?.();
  }
  if (scene.repair) expect((await harness.check(control, healthy ?? {})).status).toBe(scene.before ?? 'pass');
});

test('a private key that the key-encryption key does not open turns keys-encrypted red', async () => {
  const vault = createVault(Buffer.alloc(32, 9));
  expect(await harness.check(controlOf('keys-encrypted'), { vault })).toMatchObject({ status: 'fail' });
});

test.each([
  ['restrictions-enforced', 'phi_restrictions', 'NEW.ended_at := now()', 'decision for a user'],
  ['restrictions-enforced', 'phi_restrictions', 'NEW.ended_at := now()', 'decision for a client'],
])('a defect in the rule turns %s red, whatever the log says (%s, %s)', async (name, table, change, resource) => {
  await rewriteInserts(table, change);
  try {
    const { exceptions } = await harness.check(controlOf(name));
    expect(exceptions).toContainEqual(expect.objectContaining({ resource }));
  } finally {
    await keepInserts(table);
  }
});

test('a disclosure that the audit log does not name turns disclosures-recorded red', async () => {
  const id = '01890000-0000-7000-8000-000000000002';
  await run(
    `INSERT INTO phi_disclosures (id, subject_id, purpose, disclosed_at, recorded_at, encrypted)
     VALUES ('${id}', 'p1', 'legal', now(), now() - interval '1 hour', '{}')`,
  );
  const { status, exceptions } = await harness.check(controlOf('disclosures-recorded'));
  expect([status, exceptions.map(({ resource }) => resource)]).toEqual(['fail', [`disclosure ${id}`]]);
  await past(`DELETE FROM phi_disclosures WHERE id = '${id}'`);
});

test('a probe leaves no row behind', async () => {
  const count = async () =>
    (
      await harness.raw(
        `SELECT (SELECT count(*) FROM users) AS users, (SELECT count(*) FROM audit_outbox) AS events,
           (SELECT count(*) FROM phi_restrictions) + (SELECT count(*) FROM phi_break_glass) AS access,
           (SELECT array_agg(p::text ORDER BY p::text) FROM phi_field_policies p) AS policies`,
      )
    )[0];
  const before = await count();
  const probes = ['minimum-necessary-applied', 'restrictions-enforced', 'emergency-access-works'];
  for (const name of ['idle-sessions-refused', 'disabling-ends-access', 'guessing-locks-accounts', ...probes])
    await harness.check(controlOf(name));
  expect(await count()).toEqual(before);
});
