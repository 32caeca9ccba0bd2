// For tests only: expired rows of every kind that the purge removes.
import type { purgeKinds } from '#observability/metrics/cleanup.ts';
import { defineStatement } from '#services/platform/define/statement.ts';
import type { Sql } from '../ports.ts';

const WEEK_SECONDS = 7 * 86_400;
const END = `now() - interval '2 days' - interval '7 days' * n / $1`;

type Kind = {
  readonly table: string;
  /** How long a row is kept after it expired. */
  readonly staysSeconds: number;
  /** Columns and values of row `n`. */
  readonly insert: string;
};

/** Rows that expired during a week that ended two days ago; `$1` rows, ids in no order. */
export const expiredKinds = {
  families: {
    table: 'refresh_families',
    staysSeconds: 86_400,
    insert: `(id, generation, idle_expires_at, expires_at, revoked_at, revoke_reason, nonce_hash, kv, prev_kv,
        client_id, client_bound, sid, user_id, user_epoch, client_epoch, scope, audience, auth_time)
      SELECT gen_random_uuid(), n % 40, ${END}, ${END}, CASE WHEN n % 10 = 0 THEN ${END} END,
        CASE WHEN n % 20 = 0 THEN 'refresh_token_reused' WHEN n % 10 = 0 THEN 'logout' END, sha256(n::text::bytea), 1, 1,
        'sallyport', false, 'gone-' || n, 'u' || n % 1000, 0, 0, 'openid', 'aud', now()`,
  },
  sessions: {
    table: 'sessions',
    staysSeconds: 86_400 + 1_260,
    insert: `(id, "userId", "expiresAt", token) SELECT 'gone-' || n, 'u' || n % 1000, ${END}, gen_random_uuid()`,
  },
  verifications: {
    table: 'verifications',
    staysSeconds: 3_600,
    insert: `(id, identifier, value, "expiresAt") SELECT gen_random_uuid(), n, 'x', ${END}`,
  },
  login_challenges: {
    table: 'login_challenges',
    staysSeconds: 3_600,
    insert: `(hash, user_id, user_epoch, amr, expires_at)
      SELECT sha256(n::text::bytea), 'u' || n % 1000, 0, 'pwd', ${END}`,
  },
  login_failures_names: {
    table: 'login_failures',
    staysSeconds: 0,
    insert: `(key, failures, last_failed_at) SELECT 'account:' || n, 20, ${END} - interval '30 days'`,
  },
  login_failures_devices: {
    table: 'login_failures',
    staysSeconds: 0,
    insert: `(key, failures, last_failed_at) SELECT 'device:' || n, 9, ${END} - interval '181 days'`,
  },
  login_failures_networks: {
    table: 'login_failures',
    staysSeconds: 0,
    insert: `(key, failures, last_failed_at) SELECT 'network:' || n, 1000, ${END} - interval '2 days'`,
  },
  one_time_codes: {
    table: 'one_time_codes',
    staysSeconds: 300,
    insert: `(id, purpose, hash, email, expires_at)
      SELECT gen_random_uuid(), 'verify_email', sha256(n::text::bytea), n || '@expired.test', ${END}`,
  },
  mails: {
    table: 'mail_outbox',
    staysSeconds: 0,
    insert: `(id, template, sealed, created_at) SELECT gen_random_uuid(), 'x', 'x', ${END} - interval '7 days'`,
  },
  invitations: {
    table: 'invitations',
    staysSeconds: 0,
    insert: `(id, user_id, expires_at) SELECT gen_random_uuid(), 'u' || n % 1000, ${END} - interval '30 days'`,
  },
  imported_hash_keys: {
    table: 'imported_hash_keys',
    staysSeconds: 0,
    insert: `(id, sealed, created_at)
      SELECT left(translate(encode(sha256(n::text::bytea), 'base64'), '+/', '-_'), 22), 'x', ${END} - interval '7 days'`,
  },
  social_sign_ins: {
    table: 'social_sign_ins',
    staysSeconds: 300,
    insert: `(state_hash, browser_hash, provider, expires_at)
      SELECT sha256(n::text::bytea), sha256(n::text::bytea), 'x', ${END}`,
  },
  idempotency_keys: {
    table: 'idempotency_keys',
    staysSeconds: 0,
    insert: `(key_hash, request_hash, expires_at) SELECT sha256(n::text::bytea), 'x', ${END}`,
  },
  dpop_proofs: {
    table: 'dpop_proofs',
    staysSeconds: 60,
    insert: `(proof_hash, expires_at) SELECT sha256(n::text::bytea), ${END}`,
  },
  revocations: {
    table: 'revocations',
    staysSeconds: 3_600,
    insert: `(kind, value, reason, expires_at) SELECT 'jti', gen_random_uuid(), 'x', ${END}`,
  },
} as const satisfies Partial<Record<(typeof purgeKinds)[number], Kind>>;

export const expiredTables = [...new Set(Object.values(expiredKinds).map(({ table }) => table))];

/** How late the purge of each kind is after `insertExpired`. */
export const overdueByKind = Object.fromEntries(
  Object.entries(expiredKinds).map(([kind, { staysSeconds }]) => [kind, WEEK_SECONDS + 2 * 86_400 - staysSeconds]),
);

/** `count` rows of each kind. */
export async function insertExpired(sql: Sql, count: number): Promise<void> {
  const run = (text: string, values: readonly unknown[] = []): Promise<unknown> =>
    sql.query(defineStatement('', text), values);
  await run(
    `INSERT INTO users (id, email, "emailVerified") SELECT 'u' || n, n || '@expired.test', now() FROM generate_series(0, 999) n ON CONFLICT DO NOTHING`,
  );
  for (let from = 1; from <= count; from += 5_000)
    for (const { table, insert } of Object.values(expiredKinds))
      await run(`INSERT INTO ${table} ${insert} FROM generate_series($2::int, $3::int) n`, [
        count,
        from,
        Math.min(count, from + 4_999),
      ]);
}
