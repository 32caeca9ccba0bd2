import { loadConfig } from '#services/platform/config/load.ts';
import { defineStatement } from '#services/platform/define/statement.ts';
import { withDatabase } from '../database-ports.ts';
import { type Check, pass, type Result, warn } from './check.ts';

/** A role created for another database of the cluster has rights only there. */
const roleFacts = defineStatement(
  'doctorRoleFacts',
  `SELECT session_user::text AS login,
     (SELECT count(*) FROM pg_roles WHERE rolname IN ('sallyport_app', 'sallyport_sealer')
        AND has_table_privilege(oid, 'audit_outbox', 'INSERT'))::int AS roles,
     coalesce(pg_has_role(session_user, to_regrole('sallyport_sealer'),
       CASE WHEN current_setting('server_version_num')::int < 160000 THEN 'MEMBER' ELSE 'SET' END), false) AS "isMember",
     (SELECT pg_has_role(session_user, relowner, 'MEMBER') FROM pg_class WHERE oid = 'audit_events'::regclass) AS "isOwner"`,
);

export type RoleFacts = {
  readonly login: string;
  /** Number of the two roles that have rights in this database. */
  readonly roles: number;
  readonly isMember: boolean;
  /** Also true for a superuser. */
  readonly isOwner: boolean;
};

const quoted = (name: string): string => `"${name.replaceAll('"', '""')}"`;

/** @param isProduction then the database user should be one that cannot regain its rights */
export function rolesResult({ login, roles, isMember, isOwner }: RoleFacts, isProduction: boolean): Result {
  if (roles === 2 && isOwner && !isMember)
    return warn(
      `processes run as ${login}, which may change sealed events: it is not a member of sallyport_sealer`,
      `as a superuser: GRANT sallyport_sealer TO ${quoted(login)};`,
    );
  if (roles < 2)
    return warn(
      `processes run as ${login}, which may change sealed events: the database has no roles for them`,
      `as a superuser, unless another database of the server has them: CREATE ROLE sallyport_app; CREATE ROLE sallyport_sealer IN ROLE sallyport_app; then: GRANT sallyport_sealer TO ${quoted(login)}; as the owner of the tables: SELECT grant_roles();`,
    );
  const evidence = 'the API runs as sallyport_app, the sealer as sallyport_sealer';
  if (isProduction && isOwner)
    return warn(
      `${evidence}; the database user ${login} owns the tables, and could regain its rights`,
      'give each process a separate database user: docs/how-to/run-in-production.md, "Logins of the database"',
    );
  return pass(evidence);
}

/** Checks the rights of the processes on the audit log. */
export const rolesCheck: Check = {
  name: 'database roles',
  needs: 'databaseUrl',
  run: () =>
    withDatabase(
      async ({ sql }) => {
        const [facts] = await sql.query<RoleFacts>(roleFacts);
        return rolesResult(facts as RoleFacts, loadConfig(process.env).server.profile === 'production');
      },
      process.env,
      { isHeldToMarks: false },
    ),
};
