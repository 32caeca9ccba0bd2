import { type Check, fail, pass, type Result, warn } from '#services/core/health/doctor-check.ts';
import { defineStatement } from '#services/platform/define/statement.ts';
import { inspectDatabase } from '../database-ports.ts';

/** The role of each process; a worker has a second one for the connections that seal. */
const ROLES = ['sallyport_api', 'sallyport_mcp', 'sallyport_worker', 'sallyport_log_sealer'] as const;
/** Roles of the release before. `sallyport_app` is also that of an application which embeds the product. */
const FORMER = ['sallyport_app', 'sallyport_sealer'] as const;

/** A role created for another database of the cluster has rights only there. */
const roleFacts = defineStatement('doctorRoleFacts')`
  SELECT session_user::text AS login,
    ARRAY(SELECT rolname::text FROM pg_roles WHERE rolname = ANY ($1) AND has_table_privilege(oid, 'audit_outbox', 'INSERT')) AS roles,
    ARRAY(SELECT rolname::text FROM pg_roles WHERE rolname = ANY ($1) AND pg_has_role(session_user, oid,
      CASE WHEN current_setting('server_version_num')::int < 160000 THEN 'MEMBER' ELSE 'SET' END)) AS assumes,
    (SELECT pg_has_role(session_user, relowner, 'MEMBER') FROM pg_class WHERE oid = 'audit_events'::regclass) AS is_owner`;

export type RoleFacts = {
  readonly login: string;
  /** Roles that have rights in this database. */
  readonly roles: readonly string[];
  /** Roles that the login may assume. */
  readonly assumes: readonly string[];
  /** Also true for a superuser. */
  readonly is_owner: boolean;
};

const quoted = (name: string): string => `"${name.replaceAll('"', '""')}"`;
const GUIDE = 'docs/how-to/run-in-production.md, "Database logins"';

/** @param isProduction then the database user should be one that cannot regain its rights */
export function rolesResult({ login, roles, assumes, is_owner: isOwner }: RoleFacts, isProduction: boolean): Result {
  const missing = ROLES.filter((role) => !roles.includes(role));
  if (missing.length > 0)
    return fail(
      `a process only runs as its role, and does not start without it: the database has no ${missing.join(', ')}`,
      `as a superuser, unless another database of the server has them: ${missing.map((role) => `CREATE ROLE ${role};`).join(' ')} then: GRANT ${missing.join(', ')} TO ${quoted(login)}; as the owner of the tables: SELECT grant_roles();`,
    );
  const own = ROLES.filter((role) => assumes.includes(role));
  if (isOwner && own.length < ROLES.length)
    return fail(
      `a process only runs as its role, and ${login} is not a member of ${ROLES.filter((role) => !own.includes(role)).join(', ')}`,
      `as a superuser: GRANT ${ROLES.filter((role) => !own.includes(role)).join(', ')} TO ${quoted(login)};`,
    );
  if (isOwner) {
    const evidence = `each process runs as its role: ${ROLES.join(', ')}`;
    return isProduction
      ? warn(
          `${evidence}; the database user ${login} owns the tables, and could regain its rights`,
          `give each process a separate database user: ${GUIDE}`,
        )
      : pass(evidence);
  }
  const former = FORMER.filter((role) => assumes.includes(role));
  const fix = `give it the role of its process, and no other: ${GUIDE}`;
  if (own.length === 0 && !assumes.includes('sallyport_app'))
    return fail(`the database user ${login} is in no role of a process, so no process starts with it`, fix);
  if (own.length === 0)
    return warn(
      `the database user ${login} has only the rights of ${former.join(', ')}: an application that embeds Sallyport runs with it, and no process does`,
      fix,
    );
  if (former.length > 0)
    return warn(
      `the database user ${login} has the rights of ${former.join(', ')}, which may write tables that its process does not`,
      fix,
    );
  return pass(`the database user ${login} has the rights of ${own.join(', ')}`);
}

export const rolesCheck: Check = {
  name: 'database roles',
  needs: 'databaseUrl',
  run: (settings) =>
    inspectDatabase(async ({ sql }) => {
      const [facts] = await sql.query<RoleFacts>(roleFacts, [[...ROLES, ...FORMER]]);
      return rolesResult(facts as RoleFacts, (await settings()).server.profile === 'production');
    }),
};
