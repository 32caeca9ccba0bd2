import { NEWEST_SEQ } from '#services/core/audit/read/list-events.ts';
import type { Sql } from '#services/core/ports.ts';
import { defineStatement } from '#services/platform/define/statement.ts';

/** Catalogues of the schema; PostgreSQL gives a changed row of one a new `xmin`. */
const SCHEMA = [
  `SELECT oid, xmin FROM pg_proc WHERE pronamespace = current_schema()::regnamespace`,
  `SELECT oid, xmin FROM pg_class WHERE relnamespace = current_schema()::regnamespace`,
  'SELECT oid, xmin FROM pg_trigger',
  `SELECT oid, xmin FROM pg_constraint WHERE connamespace = current_schema()::regnamespace`,
  'SELECT oid, xmin FROM pg_policy',
  'SELECT setrole, xmin FROM pg_db_role_setting',
  'SELECT member, xmin FROM pg_auth_members',
].join(' UNION ALL ');

// A few hundred rows of catalogues, which are in memory.
const probeGroundRead = defineStatement('complianceProbeGroundRead')`
  SELECT concat_ws(' ', (SELECT oid FROM pg_database WHERE datname = current_database()),
    (SELECT incarnation FROM feed_state), ${NEWEST_SEQ},
    (SELECT md5(string_agg(oid || ':' || xmin, ' ' ORDER BY oid, xmin::text)) FROM (${SCHEMA}) changed)) AS ground`;

/** What the result of a probe depends on in the database: which it is, the sealed events, and the schema with its rights. */
export const readProbeGround = async (sql: Sql): Promise<string> =>
  ((await sql.query<{ ground: string }>(probeGroundRead))[0] as { ground: string }).ground;
