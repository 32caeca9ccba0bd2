import type { Sql } from '#services/core/ports.ts';
import { defineStatement } from '#services/platform/define/statement.ts';

/** Uses the index audit_outbox_unsealed. The counts are capped, so that the statement stays cheap. */
const auditBacklogRead = defineStatement('auditBacklogRead')`
  SELECT (SELECT count(*) FROM (SELECT FROM audit_outbox WHERE seq IS NULL LIMIT 100000) waiting) AS backlog,
    coalesce((SELECT extract(epoch FROM clock_timestamp() - min(occurred_at)) FROM audit_outbox WHERE seq IS NULL), 0)::float8
      AS oldest_age_seconds,
    (SELECT count(*) FROM (SELECT FROM audit_outbox_default LIMIT 1000) stray) AS stray`;

export type Backlog = { readonly backlog: number; readonly oldest_age_seconds: number; readonly stray: number };

export const readBacklog = async (sql: Sql): Promise<Backlog> =>
  (await sql.query<Backlog>(auditBacklogRead))[0] as Backlog;
