import type pg from 'pg';

/** The role of each process, with the rights of its statements alone, whatever its database user may do. */
export type ProcessRole = 'sallyport_api' | 'sallyport_mcp' | 'sallyport_worker' | 'sallyport_log_sealer';
/** An application that embeds the product does in one process what API and worker do: it has the rights of both. */
export type DatabaseRole = ProcessRole | 'sallyport_app';

/** The role that has the rights of each in the release before, for a database user that is not a member of the new one yet. */
const FORMER_ROLES = {
  sallyport_api: 'sallyport_app',
  sallyport_mcp: 'sallyport_app',
  sallyport_worker: 'sallyport_app',
  sallyport_log_sealer: 'sallyport_sealer',
  sallyport_app: 'sallyport_app',
} as const satisfies Record<DatabaseRole, string>;

/**
 * SQL that takes a role, or its former one, for the session or for the transaction, and returns the name of the role from
 * then on: the database user itself if it may assume neither. A role of another database of the
 * cluster has no rights in this one. From PostgreSQL 16 on, a database user may be a member that can grant the role but
 * not assume it.
 */
export const roleTaken = (role: DatabaseRole, lasts: 'session' | 'transaction'): string =>
  `coalesce((SELECT set_config('role', rolname, ${lasts === 'transaction'}) FROM (SELECT rolname FROM pg_roles
  WHERE rolname IN ('${role}', '${FORMER_ROLES[role]}')
    AND pg_has_role(session_user, oid, CASE WHEN current_setting('server_version_num')::int < 160000 THEN 'MEMBER' ELSE 'SET' END)
    AND has_table_privilege(oid, to_regclass('audit_outbox'), 'INSERT')
  ORDER BY rolname = '${role}' DESC LIMIT 1) AS first), session_user)`;

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
  /** Call it with the row that the text returns. Throws if the server is a standby, or another than before. */
  check(row: unknown): void;
};

type Facts = { readonly isStandby: boolean; readonly startedAt: string };

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
    ...(role === undefined ? [] : [roleTaken(role, 'transaction')]),
  ];
  return {
    text: `SELECT pg_is_in_recovery() AS "isStandby", extract(epoch FROM pg_postmaster_start_time())::text AS "startedAt", ${settings.join(', ')}`,
    check(row) {
      const facts = row as Facts;
      if (facts.isStandby) throw new StandbyError('the server is a standby; DATABASE_URL must lead to the primary');
      const hasMoved = startedAt !== undefined && startedAt !== facts.startedAt;
      startedAt = facts.startedAt;
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
