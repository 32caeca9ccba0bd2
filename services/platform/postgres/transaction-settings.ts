import type pg from 'pg';
import { safeMessage } from '#observability/log-errors.ts';

/** The role of each process, with the rights of its statements alone, whatever its database user may do. */
export type ProcessRole = 'sallyport_api' | 'sallyport_mcp' | 'sallyport_worker' | 'sallyport_log_sealer';
/** An application that embeds the product does in one process what API and worker do: it has the rights of both. */
export type DatabaseRole = ProcessRole | 'sallyport_app';

/**
 * SQL that takes a role for the session or for the transaction, and returns its name; null if the database user may not assume
 * it. A role of another database of the cluster has no rights in this one. From PostgreSQL 16 on, a database user may be a
 * member that can grant the role but not assume it.
 */
const roleTaken = (role: DatabaseRole, lasts: 'session' | 'transaction'): string =>
  `(SELECT set_config('role', rolname, ${lasts === 'transaction'}) FROM pg_roles
  WHERE rolname = '${role}'
    AND pg_has_role(session_user, oid, CASE WHEN current_setting('server_version_num')::int < 160000 THEN 'MEMBER' ELSE 'SET' END)
    AND has_table_privilege(oid, to_regclass('audit_outbox'), 'INSERT'))`;

/** The statements that make a role and let a database user assume it. */
const roleFix = (role: string, login: string): string =>
  `as a superuser: CREATE ROLE ${role}; if it does not exist, and GRANT ${role} TO ${login}; then as the owner of the tables: SELECT grant_roles();`;

/** A process never runs with other rights than those of its role: a connection that may not assume it is refused. */
export class RoleRefusedError extends Error {
  readonly [safeMessage] = true;
  /** invalid_role_specification */
  readonly code = '0P000';
  readonly fix: string;

  constructor(role: DatabaseRole, login: string) {
    const fix = roleFix(role, `"${login.replaceAll('"', '""')}"`);
    super(`the database user ${login} may not assume the role ${role} of this process, or there is none: ${fix}`);
    this.name = 'RoleRefusedError';
    this.fix = fix;
  }
}

/** What a connection answers to `roleColumns`. */
export type RoleAnswer = { readonly taken: string | null; readonly login: string };

/** Takes a role, and says which role and database user the connection has then. */
export const roleColumns = (role: DatabaseRole, lasts: 'session' | 'transaction'): string =>
  `${roleTaken(role, lasts)} AS taken, session_user::text AS login`;

/** @throws RoleRefusedError if the connection has not taken the role */
export function assertRole(role: DatabaseRole, { taken, login }: RoleAnswer): DatabaseRole {
  if (taken === role) return role;
  throw new RoleRefusedError(role, login);
}

/**
 * A proxy or a name may lead to a standby while the primary changes. A connection to one is not kept: it would fail every
 * write and every poll for as long as it lives, when a new one may long reach the primary.
 */
export class StandbyError extends Error {
  readonly code = '25006';
}

/** The pooler leads to another server than before: what this process has seen may be missing there. */
class MovedError extends Error {
  readonly code = '08006';
}

export type TransactionSettings = {
  /** Follows BEGIN, and ends with the transaction. */
  readonly text: string;
  /** Call it with the row that the text returns. Throws if the server is a standby, or another than before, or if it refuses the role. */
  check(row: unknown): void;
};

/**
 * A pooler in transaction mode gives each transaction another session, which others use before and after. So the role and
 * the limits are set for the transaction alone.
 * @param onMoved called when the pooler leads to another server than before; its clients do not lose a connection
 */
export function transactionSettings(
  limitsMs: Readonly<Record<string, number>>,
  role: DatabaseRole | undefined,
  onMoved: (() => void) | undefined,
): TransactionSettings {
  let startedAt: string | undefined;
  const settings = [
    ...Object.entries(limitsMs).map(([name, ms]) => `set_config('${name}', '${ms}', true)`),
    ...(role === undefined ? [] : [roleColumns(role, 'transaction')]),
  ];
  return {
    text: `SELECT pg_is_in_recovery() AS is_standby, extract(epoch FROM pg_postmaster_start_time())::text AS started_at, ${settings.join(', ')}`,
    check(row) {
      const facts = row as RoleAnswer & { readonly is_standby: boolean; readonly started_at: string };
      if (facts.is_standby) throw new StandbyError('the server is a standby; DATABASE_URL must lead to the primary');
      if (role !== undefined) assertRole(role, facts);
      const hasMoved = startedAt !== undefined && startedAt !== facts.started_at;
      startedAt = facts.started_at;
      if (!hasMoved) return;
      onMoved?.();
      throw new MovedError('the pooler leads to another server than before');
    },
  };
}

/** Sends the statements of a connection without their names: the next session would not know them. */
export function dropStatementNames(client: pg.ClientBase): void {
  const query = client.query.bind(client) as (...args: unknown[]) => unknown;
  const nameless = (asked: string | object, ...rest: unknown[]): unknown =>
    query(typeof asked === 'string' ? asked : { ...asked, name: undefined }, ...rest);
  client.query = nameless as typeof client.query;
}
