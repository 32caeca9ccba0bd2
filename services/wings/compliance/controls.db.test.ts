import { utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { apiKeyPurges } from '#services/core/api-keys/api-keys.store.ts';
import { createVault } from '#services/platform/crypto/vault.ts';
import { installationOf } from '#services/worker/installation.ts';
import { testFolder } from '#tools/testing/test-folder.ts';
import {
  AUDIT_CONTROLS,
  controlHarness,
  controlOf,
  machineControls,
  type OtherScenes,
  PRIVACY_CONTROLS,
} from './control-scenes-harness.ts';
import { controls } from './controls/all.ts';

const { harness, run, past } = controlHarness();
const backups = testFolder();

const FAILURES = 'login_failures_count(text[], text, text, float8, integer, integer, float8, float8)';
const DIGEST = `$2b$12$${'a'.repeat(53)}`;
const HASH = 'h'.repeat(43);
const client = (id: string, columns: string, values: string): string =>
  `INSERT INTO oauth_clients (id, "clientId", ${columns}) VALUES ('${id}', '${id}', ${values})`;

const withBackups = () => {
  const { newestBackup } = installationOf({
    ownAddresses: [],
    databaseUrl: 'postgresql://localhost/test',
    redisUrl: 'redis://localhost',
    backupFolder: backups,
    purges: [],
  });
  return { newestBackup };
};

const scenes: OtherScenes = {
  'idle-sessions-refused': {
    breakIt: () => ({ env: { SESSION_IDLE_TWO_FACTORS: '0' } }),
    names: 'SESSION_IDLE_TWO_FACTORS',
  },
  'sessions-expire': {
    breakIt: () => run(`UPDATE sessions SET "expiresAt" = now() + interval '20 years' WHERE id = 's1'`),
    names: 's1',
    repair: () => run(`UPDATE sessions SET "expiresAt" = now() + interval '1 hour' WHERE id = 's1'`),
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
    healthy: () => run(client('c1', 'secret_hash', `'${HASH}'`)),
    breakIt: () => run(`UPDATE oauth_clients SET secret_hash = 'in clear' WHERE id = 'c1'`),
    names: 'c1',
  },
  'clients-authenticate': {
    healthy: () =>
      run(
        client(
          'c2',
          'secret_hash, auth_method, grant_types',
          `'${HASH}', 'client_secret_basic', '{client_credentials}'`,
        ),
      ),
    breakIt: () => run(`UPDATE oauth_clients SET auth_method = 'none' WHERE id = 'c2'`),
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
  'state-not-rewound': {
    healthy: async () => {
      await run('UPDATE feed_state SET beat = 7');
      const [row] = await harness.raw<{ incarnation: string; epoch: number }>`SELECT incarnation,
        revocation_epoch AS epoch FROM feed_state`;
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
  'restore-drill': {
    healthy: async () => {
      await harness.emit(1, { type: 'operations.restore_rehearsed', detail: { seconds: 4.2, rows: 900, orphans: 0 } });
      await harness.seal();
    },
    breakIt: async () => {
      await run(
        `INSERT INTO audit_outbox (type, outcome, actor_kind, actor_id, detail)
         VALUES ('operations.restore_rehearsed', 'failed', 'system', 'rehearse-restore', '{"code":"restore_mismatch"}')`,
      );
      await harness.seal();
    },
    names: 'restore-drill',
    repair: async () => {
      await harness.emit(1, { type: 'operations.restore_rehearsed', detail: { seconds: 4.2, rows: 900, orphans: 0 } });
      await harness.seal();
    },
  },
  'scheduled-work-runs': {
    healthy: () =>
      run(
        `INSERT INTO job_schedules (job, queue, every_seconds, next_run_at, last_succeeded_at) VALUES ('some-job', 'q', 60, now(), now())`,
      ),
    breakIt: () => run(`UPDATE job_schedules SET last_succeeded_at = now() - interval '1 day'`),
    names: 'some-job',
  },
};

test('every control that a check decides has a scene that turns it red, and names are unique', () => {
  const withScene = [...Object.keys(scenes), ...AUDIT_CONTROLS, ...PRIVACY_CONTROLS];
  expect(machineControls.map(({ name }) => name).sort()).toEqual(withScene.sort());
  expect(new Set(controls.map(({ name }) => name)).size).toBe(controls.length);
});

test.each(Object.entries(scenes))('%s is green on a healthy system and red on a broken one', (name, scene) =>
  harness.expectRed(name, scene),
);

test('a private key that the key-encryption key does not open turns keys-encrypted red', async () => {
  const vault = createVault(Buffer.alloc(32, 9));
  expect(await harness.check(controlOf('keys-encrypted'), { vault })).toMatchObject({ status: 'fail' });
});

test('restore-drill is red before the first rehearsal, and when the newest is older than 22 days', async () => {
  const why = async (env: Readonly<Record<string, string>> = {}) =>
    (await harness.check(controlOf('restore-drill'), { env })).exceptions.map((exception) => exception.why);
  await past(`UPDATE audit_events SET type = 'test.done' WHERE type = 'operations.restore_rehearsed'`);
  expect(await why()).toEqual(['RESTORE_DRILL_URL is not set: no restore is rehearsed']);
  expect(await why({ RESTORE_DRILL_URL: 'postgresql://drill:secret@localhost/postgres' })).toEqual([
    'no rehearsal has ended yet',
  ]);
  await past(
    `UPDATE audit_events SET type = 'operations.restore_rehearsed', occurred_at = now() - interval '23 days' WHERE seq = 0`,
  );
  expect(await why()).toEqual(['the newest rehearsal is more than 22 days old']);
});
