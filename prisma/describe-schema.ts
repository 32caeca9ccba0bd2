import type pg from 'pg';

/** Not of an extension, which an operator may have added beside the schema. */
const OURS = `NOT EXISTS (SELECT FROM pg_depend d WHERE d.objid = %.oid AND d.deptype = 'e')`;
const ours = (alias: string): string => OURS.replace('%', alias);

// The partitions of single days come and go by day. PostgreSQL 18 also names NOT NULL, which the columns say already.
const SCHEMA = `WITH
  o AS MATERIALIZED (
    SELECT c.*, CASE relkind WHEN 'S' THEN 's' ELSE 'r' END AS acl FROM pg_class c
    WHERE relnamespace = current_schema()::regnamespace AND relname !~ '^audit_outbox_[0-9]{8}' AND ${ours('c')}),
  f AS MATERIALIZED (
    SELECT p.oid, p.oid::regprocedure AS name, proacl, proowner, prokind FROM pg_proc p
    WHERE pronamespace = current_schema()::regnamespace AND ${ours('p')}),
  rights AS (
    SELECT relname::text AS place, relowner AS owner, a.* FROM o, aclexplode(coalesce(relacl, acldefault(acl::"char", relowner))) a
    WHERE relkind IN ('r', 'p', 'v', 'm', 'S')
    UNION ALL SELECT format('%s (%s)', relname, attname), relowner, a.* FROM o JOIN pg_attribute ON attrelid = o.oid, aclexplode(attacl) a
    UNION ALL SELECT name::text, proowner, a.* FROM f, aclexplode(coalesce(proacl, acldefault('f', proowner))) a
    UNION ALL SELECT 'the schema', nspowner, a.* FROM pg_namespace, aclexplode(nspacl) a
    WHERE nspname = current_schema() AND a.grantee NOT IN (0, nspowner))
SELECT concat_ws(' ', 'table', relname, relkind, relpersistence, reloptions::text, pg_get_partkeydef(oid), pg_get_expr(relpartbound, oid),
    CASE WHEN relkind IN ('v', 'm') THEN pg_get_viewdef(oid) END, CASE WHEN relrowsecurity THEN 'row security' END) AS line
  FROM o WHERE relkind IN ('r', 'p', 'v', 'm')
UNION ALL SELECT concat_ws(' ', 'column', format('%s.%s', relname, attname), row_number() OVER (PARTITION BY attrelid ORDER BY attnum),
    format_type(atttypid, atttypmod), CASE WHEN attnotnull THEN 'not null' END, attidentity, attgenerated, attstorage,
    attcollation::regcollation, pg_get_expr(adbin, adrelid))
  FROM o JOIN pg_attribute ON attrelid = o.oid AND attnum > 0 AND NOT attisdropped
  LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum WHERE relkind IN ('r', 'p', 'v', 'm')
UNION ALL SELECT concat_ws(' ', 'constraint', conname, 'on', relname, pg_get_constraintdef(c.oid))
  FROM o JOIN pg_constraint c ON conrelid = o.oid WHERE contype <> 'n'
UNION ALL SELECT concat_ws(' ', 'index', pg_get_indexdef(i.indexrelid), CASE WHEN NOT indisvalid THEN 'invalid' END)
  FROM o JOIN pg_index i ON indrelid = o.oid
UNION ALL SELECT concat_ws(' ', 'trigger', pg_get_triggerdef(t.oid), tgenabled)
  FROM o JOIN pg_trigger t ON tgrelid = o.oid WHERE NOT tgisinternal
UNION ALL SELECT concat_ws(' ', 'sequence', relname, seqtypid::regtype, seqstart, seqincrement, seqmin, seqmax, seqcycle)
  FROM o JOIN pg_sequence ON seqrelid = o.oid
UNION ALL SELECT concat_ws(' ', 'type', y.oid::regtype, typtype)
  FROM pg_type y WHERE typnamespace = current_schema()::regnamespace AND typtype IN ('d', 'e', 'r') AND ${ours('y')}
UNION ALL SELECT concat_ws(' ', 'function', name, CASE WHEN prokind IN ('f', 'p') THEN pg_get_functiondef(oid) END) FROM f
UNION ALL SELECT concat_ws(' ', 'comment on', objoid::regclass, objsubid, description)
  FROM o JOIN pg_description ON objoid = o.oid AND classoid = 'pg_class'::regclass
UNION ALL SELECT concat_ws(' ', 'comment on', name, description)
  FROM f JOIN pg_description ON objoid = f.oid AND classoid = 'pg_proc'::regclass
UNION ALL SELECT concat_ws(' ', 'right', privilege_type, CASE WHEN is_grantable THEN 'to hand on' END, 'on', place, 'of',
    CASE grantee WHEN owner THEN 'its owner' WHEN 0 THEN 'PUBLIC' ELSE pg_get_userbyid(grantee) END) FROM rights`;

/**
 * Everything in the current schema as lines: tables, columns in their order, constraints, indexes, triggers, sequences, types,
 * functions, comments and rights.
 */
export async function describeSchema(db: pg.Client): Promise<string[]> {
  const { rows } = await db.query<{ line: string }>(SCHEMA);
  return rows.map(({ line }) => line);
}

/** What only one of two schemas has, one line each. */
export function differencesOf(live: readonly string[], made: readonly string[]): string[] {
  const [has, should] = [new Set(live), new Set(made)];
  return [
    ...[...has].filter((fact) => !should.has(fact)).map((fact) => `only in the database: ${fact}`),
    ...[...should].filter((fact) => !has.has(fact)).map((fact) => `not in the database: ${fact}`),
  ].sort();
}
