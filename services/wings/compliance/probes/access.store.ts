import type { Sql } from '#services/core/ports.ts';
import { defineStatement } from '#services/platform/define/statement.ts';
import { defineTally, type Tally } from './tally.store.ts';

/** Permissions whose holder can give himself others, or end what others have. */
const PRIVILEGED = `permission LIKE '%:manage'`;
const privilegedUsers = `SELECT DISTINCT ur.user_id FROM user_roles ur JOIN role_permissions rp ON rp.role = ur.role
  JOIN users u ON u.id = ur.user_id AND u."disabledAt" IS NULL WHERE rp.${PRIVILEGED}`;

// Reads the disabled users (index users_disabled) and what each still has, by indexes on their ids.
export const disabledUsersTally = defineTally(
  'complianceDisabledUsersTally',
  `SELECT count(*) FROM users WHERE "disabledAt" IS NOT NULL`,
  `SELECT u.id AS resource FROM users u WHERE u."disabledAt" IS NOT NULL AND (
     EXISTS (SELECT FROM sessions s WHERE s."userId" = u.id AND s."expiresAt" > now())
     OR EXISTS (SELECT FROM refresh_families f WHERE f.user_id = u.id AND f.revoked_at IS NULL AND f.expires_at > now())
     OR EXISTS (SELECT FROM api_keys k WHERE k.user_id = u.id AND k.revoked_at IS NULL AND k.expires_at > now()
                AND k.owner_epoch >= u."tokenEpoch"))`,
);
// Reads whole tables, hourly.
export const duplicateSubjectsTally = defineTally(
  'complianceDuplicateSubjectsTally',
  `SELECT count(*) FROM users`,
  `SELECT min(id) AS resource FROM users GROUP BY lower(email) HAVING count(*) > 1`,
);
export const weakDigestsTally = defineTally(
  'complianceWeakDigestsTally',
  `SELECT count(*) FROM accounts WHERE password IS NOT NULL`,
  // bcrypt with a cost of 12 or more, with or without our prehash; Argon2id with 19 MiB and two passes or more.
  `SELECT "userId" AS resource FROM accounts WHERE password IS NOT NULL
     AND password !~ '^([$]sp1[$])?[$]2[aby][$]1[2-9][$]'
     AND NOT (password LIKE '$argon2id$%' AND coalesce(substring(password FROM 'm=([0-9]{1,9})')::int, 0) >= 19456
       AND coalesce(substring(password FROM 't=([0-9]{1,9})')::int, 0) >= 2)`,
);
export const unenrolledTally = defineTally(
  'complianceUnenrolledTally',
  `SELECT count(*) FROM (${privilegedUsers}) p`,
  `SELECT user_id AS resource FROM (${privilegedUsers}) p
   WHERE NOT EXISTS (SELECT FROM two_factors t WHERE t."userId" = p.user_id AND t.verified)
     AND NOT EXISTS (SELECT FROM passkeys k WHERE k."userId" = p.user_id)`,
);
const overlongSessionsTally = defineStatement('complianceOverlongSessionsTally')`
  WITH broken AS MATERIALIZED (
    SELECT id AS resource FROM sessions
    WHERE "expiresAt" > now() + make_interval(secs => CASE acr WHEN 'aal2' THEN least($1::float8, $2::float8) ELSE $1::float8 END + 60))
  SELECT (SELECT count(*)::int FROM sessions WHERE "expiresAt" > now()) AS population,
    (SELECT count(*)::int FROM broken) AS broken, ARRAY(SELECT resource FROM broken ORDER BY resource LIMIT 20) AS resources`;
export const uncredentialedClientsTally = defineTally(
  'complianceUncredentialedClientsTally',
  `SELECT count(*) FROM oauth_clients WHERE disabled IS NOT TRUE
     AND ('client_credentials' = ANY (grant_types) OR cardinality(credential_scopes) > 0)`,
  `SELECT "clientId" AS resource FROM oauth_clients WHERE disabled IS NOT TRUE
     AND ('client_credentials' = ANY (grant_types) OR cardinality(credential_scopes) > 0)
     AND (auth_method = 'none' OR auth_method IS NULL AND secret_hash IS NULL)`,
);
export const unhashedSecretsTally = defineTally(
  'complianceUnhashedSecretsTally',
  `SELECT count(*) FROM oauth_clients WHERE secret_hash IS NOT NULL`,
  // SHA-256 in base64url.
  `SELECT "clientId" AS resource FROM oauth_clients
   WHERE secret_hash !~ '^[A-Za-z0-9_-]{43}$' OR previous_secret_hash !~ '^[A-Za-z0-9_-]{43}$'`,
);
export const unvettedRightsTally = defineTally(
  'complianceUnvettedRightsTally',
  `SELECT count(*) FROM oauth_clients WHERE origin <> 'admin'`,
  `SELECT "clientId" AS resource FROM oauth_clients
   WHERE origin <> 'admin' AND (scopes && ARRAY(SELECT name FROM permissions)
     OR credential_scopes && ARRAY(SELECT name FROM permissions))`,
);
const privilegedRolesRead = defineStatement('compliancePrivilegedRolesRead')`
  SELECT DISTINCT role FROM role_permissions WHERE ${PRIVILEGED} ORDER BY role`;
/** The roles that every user or agent gets, and their other permissions. */
export const openRolesTally = defineTally(
  'complianceOpenRolesTally',
  `SELECT count(*) FROM roles WHERE name IN ('user', 'agent')`,
  `SELECT DISTINCT role AS resource FROM role_permissions WHERE role IN ('user', 'agent')`,
);

const one = async <R>(rows: Promise<R[]>): Promise<R> => (await rows)[0] as R;

export const readOverlongSessionsTally = (
  sql: Sql,
  { sessionSeconds, twoFactorSeconds }: { readonly sessionSeconds: number; readonly twoFactorSeconds: number },
): Promise<Tally> => one(sql.query<Tally>(overlongSessionsTally, [sessionSeconds, twoFactorSeconds]));
export const readPrivilegedRoles = async (sql: Sql): Promise<string[]> =>
  (await sql.query<{ role: string }>(privilegedRolesRead)).map(({ role }) => role);

// Rows of a probe, which its transaction rolls back.
const probeUserInsert = defineStatement('complianceProbeUserInsert')`
  INSERT INTO users (id, email, name, "emailVerified") VALUES ($1, $1 || '@probe.invalid', 'Probe', now())`;
const probeSessionInsert = defineStatement('complianceProbeSessionInsert')`
  INSERT INTO sessions (id, "userId", token, "expiresAt", acr, amr, "updatedAt")
  VALUES ($1, $2, $1, now() + interval '1 hour', 'aal2', '{pwd,otp}', clock_timestamp() - make_interval(secs => $3))
  RETURNING "updatedAt"`;
const probeUserDisable = defineStatement('complianceProbeUserDisable')`
  UPDATE users SET "disabledAt" = now() WHERE id = $1`;
const probeAccessRead = defineStatement('complianceProbeAccessRead')`
  SELECT (SELECT count(*)::int FROM sessions WHERE "userId" = $1) AS sessions,
    (SELECT count(*)::int FROM revocations WHERE kind = 'user' AND value = $1) AS revocations,
    (SELECT count(*)::int FROM audit_outbox WHERE type = 'user.disabled' AND target_id = $1) AS events`;
const probeFailureCount = defineStatement('complianceProbeFailureCount')`
  SELECT total, began_lock, locked_seconds
  FROM login_failures_count(ARRAY[$1], $1, NULL, $2, $3, $4, $5, $6)`;

export async function insertProbeUser(tx: Sql, id: string): Promise<void> {
  await tx.query(probeUserInsert, [id]);
}

/** Inserts a two-factor session that was last used so many seconds ago, and returns that time. */
export const insertProbeSession = async (tx: Sql, id: string, userId: string, idleSeconds: number): Promise<Date> =>
  (await one(tx.query<{ updatedAt: Date }>(probeSessionInsert, [id, userId, idleSeconds]))).updatedAt;

export async function disableProbeUser(tx: Sql, id: string): Promise<void> {
  await tx.query(probeUserDisable, [id]);
}

export const readProbeAccess = (
  tx: Sql,
  userId: string,
): Promise<{ readonly sessions: number; readonly revocations: number; readonly events: number }> =>
  one(tx.query(probeAccessRead, [userId]));

export const countProbeFailure = (
  tx: Sql,
  key: string,
  policy: {
    readonly windowSeconds: number;
    readonly failuresToLock: number;
    readonly networkFailuresToLock: number;
    readonly firstLockSeconds: number;
    readonly longestLockSeconds: number;
  },
): Promise<{ readonly total: number; readonly began_lock: boolean; readonly locked_seconds: number }> =>
  one(
    tx.query(probeFailureCount, [
      key,
      policy.windowSeconds,
      policy.failuresToLock,
      policy.networkFailuresToLock,
      policy.firstLockSeconds,
      policy.longestLockSeconds,
    ]),
  );
