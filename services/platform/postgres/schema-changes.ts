import type pg from 'pg';

type Table = { readonly oid: number; readonly name: string; readonly kind: string; readonly file: number | null };
type Column = {
  readonly table: number;
  readonly number: number;
  readonly name: string;
  readonly type: string;
  readonly is_required: boolean;
  readonly has_default: boolean;
  readonly is_counter: boolean;
};
type Constraint = {
  readonly oid: number;
  readonly table: number;
  readonly name: string;
  readonly kind: string;
  readonly is_valid: boolean;
  readonly index: number;
  readonly text: string;
};
type Named = { readonly oid: number; readonly name: string };

/** Tables, columns, indexes, constraints, functions and domains of a schema, without partitions and extensions. */
export type Catalog = {
  readonly tables: readonly Table[];
  readonly columns: readonly Column[];
  readonly indexes: readonly { readonly oid: number; readonly table: number; readonly name: string }[];
  readonly constraints: readonly Constraint[];
  readonly functions: readonly Named[];
  readonly domains: readonly Named[];
};

const OURS = `n.nspname = current_schema() AND NOT EXISTS (SELECT 1 FROM pg_depend d WHERE d.objid = %.oid AND d.deptype = 'e')`;
const ours = (alias: string): string => OURS.replace('%', alias);
const rows = (text: string): string => `(SELECT coalesce(json_agg(r), '[]') FROM (${text}) r)`;
const TABLES = `SELECT c.oid, c.relname, c.relkind, c.relispartition FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
  WHERE ${ours('c')} AND c.relkind IN ('r', 'p', 'v', 'm') AND NOT c.relispartition AND c.relname <> '_prisma_migrations'`;

const CATALOG = `WITH t AS MATERIALIZED (${TABLES})
SELECT ${rows(`SELECT oid::int8, relname AS name, relkind AS kind, pg_relation_filenode(oid)::int8 AS file FROM t`)} AS tables,
  ${rows(`SELECT attrelid::int8 AS "table", attnum AS number, attname AS name, format_type(atttypid, atttypmod) AS type,
    attnotnull AS is_required, atthasdef OR attidentity <> '' AS has_default,
    attidentity <> '' OR coalesce(pg_get_expr(adbin, adrelid) LIKE 'nextval(%', false) AS is_counter
    FROM t JOIN pg_attribute ON attrelid = t.oid LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum
    WHERE attnum > 0 AND NOT attisdropped`)} AS columns,
  ${rows(`SELECT indexrelid::int8 AS oid, indrelid::int8 AS "table", i.relname AS name
    FROM t JOIN pg_index ON indrelid = t.oid JOIN pg_class i ON i.oid = indexrelid`)} AS indexes,
  ${rows(`SELECT k.oid::int8, conrelid::int8 AS "table", conname AS name, contype AS kind, convalidated AS is_valid,
    conindid::int8 AS index, pg_get_constraintdef(k.oid) AS text FROM t JOIN pg_constraint k ON conrelid = t.oid
    WHERE contype IN ('c', 'f', 'u', 'p', 'x')`)} AS constraints,
  ${rows(`SELECT p.oid::int8, p.oid::regprocedure::text AS name FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
    WHERE ${ours('p')}`)} AS functions,
  ${rows(`SELECT y.oid::int8, y.typname AS name FROM pg_type y JOIN pg_namespace n ON n.oid = y.typnamespace
    WHERE ${ours('y')} AND y.typtype = 'd'`)} AS domains`;

export async function readCatalog(db: pg.Client): Promise<Catalog> {
  const { rows: found } = await db.query<Catalog>(CATALOG);
  return found[0]!;
}

/** One thing that a migration did to what was there before it. */
export type Change = {
  readonly rule: RuleName;
  /** The table, or the function or domain. */
  readonly on: string;
  readonly text: string;
};

/**
 * Why a change is refused in a migration. `expand`: only in that phase, because the release before would fail; else in
 * both, because it blocks the statements of a running product for as long as a table is long.
 */
const RULES = {
  'adding-required-field': ['expand', 'the release before inserts rows without it; give it a default'],
  'adding-not-null': ['expand', 'the release before may write null; do it in the phase contract'],
  'dropping-not-null': ['expand', 'the release before may fail on null; do it in the phase contract'],
  'dropping-default': ['expand', 'the release before may rely on it; do it in the phase contract'],
  'changing-column-type': ['expand', 'the release before reads and writes the old type; add a column'],
  'renaming-column': ['expand', 'the release before uses the old name; add a column'],
  'renaming-table': ['expand', 'the release before uses the old name; add a table or a view'],
  'dropping-column': ['expand', 'the release before uses it; do it in the phase contract'],
  'dropping-table': ['expand', 'the release before uses it; do it in the phase contract'],
  'dropping-function': ['expand', 'the release before may call it; do it in the phase contract'],
  'adding-not-null-unchecked': ['always', 'first validate CHECK (… IS NOT NULL), so that no scan holds the lock'],
  'rewriting-table': ['always', 'no statement uses the table while all its rows are written again'],
  'index-not-concurrent': [
    'always',
    'writes wait while it is built; CREATE INDEX CONCURRENTLY IF NOT EXISTS, "transaction": false',
  ],
  'index-drop-not-concurrent': [
    'always',
    'statements wait for it; DROP INDEX CONCURRENTLY IF EXISTS, "transaction": false',
  ],
  'constraint-not-not-valid': [
    'always',
    'writes wait while all rows are checked; add it NOT VALID, validate it in the next migration',
  ],
  'unique-constraint': [
    'always',
    'writes wait while its index is built; build a unique index CONCURRENTLY, then ADD CONSTRAINT … USING INDEX',
  ],
  'char-field': ['always', 'char(n) pads with blanks; use text'],
  'varchar-field': ['always', 'changing the length of varchar(n) locks; use text with a CHECK'],
  'timestamp-without-zone': ['always', 'its meaning depends on the session; use timestamptz'],
  'small-counter': ['always', 'an integer counter runs out; use bigint'],
  'domain-with-constraint': [
    'always',
    'a later constraint of a domain checks every table at once; use a CHECK of the table',
  ],
  'ending-transaction': ['always', 'the runner makes the transaction; leave out BEGIN, COMMIT and ROLLBACK'],
} as const satisfies Record<string, readonly ['expand' | 'always', string]>;
export type RuleName = keyof typeof RULES;

/** Tables that stay small whatever the product does: an index of theirs is built at once. */
const BOUNDED_TABLES: readonly string[] = [
  'feed_state',
  'audit_log',
  'progress_state',
  'component_progress',
  'monitoring_state',
  'roles',
  'permissions',
  'role_permissions',
  'applications',
  'releases',
  // A row for each imported file.
  'imports',
];

const byOid = <T extends { readonly oid: number }>(all: readonly T[]): Map<number, T> =>
  new Map(all.map((each) => [each.oid, each]));
const placeOf = ({ table, number }: Column): string => `${table}/${number}`;

function columnChanges(name: string, was: Column, is: Column | undefined, checks: readonly Constraint[]): Change[] {
  const change = (rule: RuleName, text: string): Change => ({ rule, on: name, text });
  if (is === undefined) return [change('dropping-column', `drops column ${was.name}`)];
  const changes: Change[] = [];
  if (is.name !== was.name) changes.push(change('renaming-column', `renames column ${was.name} to ${is.name}`));
  if (is.type !== was.type)
    changes.push(change('changing-column-type', `changes ${was.name} from ${was.type} to ${is.type}`));
  if (was.has_default && !is.has_default) changes.push(change('dropping-default', `drops the default of ${was.name}`));
  if (was.is_required && !is.is_required) changes.push(change('dropping-not-null', `lets ${was.name} be null`));
  if (!was.is_required && is.is_required) {
    changes.push(change('adding-not-null', `requires ${was.name}`));
    const isChecked = checks.some(
      (row) => row.table === was.table && row.is_valid && row.text.includes(`(${was.name} IS NOT NULL)`),
    );
    if (!isChecked) changes.push(change('adding-not-null-unchecked', `requires ${was.name} without a validated check`));
  }
  return changes;
}

function addedColumn(name: string, column: Column, isNewTable: boolean): Change[] {
  const change = (rule: RuleName, text: string): Change => ({ rule, on: name, text });
  const { type } = column;
  const changes: Change[] = [];
  if (!isNewTable && column.is_required && !column.has_default)
    changes.push(change('adding-required-field', `adds ${column.name}, required and without default`));
  if (/^character\(/.test(type)) changes.push(change('char-field', `${column.name} is ${type}`));
  if (/^character varying\(/.test(type)) changes.push(change('varchar-field', `${column.name} is ${type}`));
  if (/without time zone/.test(type) && type.startsWith('timestamp'))
    changes.push(change('timestamp-without-zone', `${column.name} is ${type}`));
  if (column.is_counter && type !== 'bigint') changes.push(change('small-counter', `${column.name} counts in ${type}`));
  return changes;
}

/**
 * What lies between two catalogs of one database, of that which bears on a running product.
 * @param released the catalog of the last release: what came after it is not yet in use
 */
export function changesBetween(before: Catalog, after: Catalog, released: Catalog = before): Change[] {
  const inUse = new Set([...released.tables, ...released.functions].map(({ oid }) => oid));
  const [tablesBefore, tablesAfter] = [byOid(before.tables), byOid(after.tables)];
  const nameOf = (oid: number): string => (tablesBefore.get(oid) ?? tablesAfter.get(oid))?.name ?? String(oid);
  const isOld = (oid: number): boolean => tablesBefore.has(oid) && inUse.has(oid);
  const isLeft = (oid: number): boolean => isOld(oid) && tablesAfter.has(oid);
  const grows = (oid: number): boolean => isLeft(oid) && !BOUNDED_TABLES.includes(nameOf(oid));
  const changes: Change[] = [];
  const add = (rule: RuleName, on: string, text: string): void => void changes.push({ rule, on, text });

  for (const was of before.tables.filter(({ oid }) => isOld(oid))) {
    const is = tablesAfter.get(was.oid);
    if (!is) add('dropping-table', was.name, `drops it`);
    else if (is.name !== was.name) add('renaming-table', was.name, `renames it to ${is.name}`);
    if (is && is.file !== was.file) add('rewriting-table', was.name, 'writes all its rows again');
  }
  const columnsAfter = new Map(after.columns.map((column) => [placeOf(column), column]));
  const columnsBefore = new Map(before.columns.map((column) => [placeOf(column), column]));
  for (const was of before.columns)
    if (isLeft(was.table))
      changes.push(...columnChanges(nameOf(was.table), was, columnsAfter.get(placeOf(was)), before.constraints));
  for (const column of after.columns)
    if (!columnsBefore.has(placeOf(column)))
      changes.push(...addedColumn(nameOf(column.table), column, !isOld(column.table)));

  const [indexesBefore, indexesAfter] = [byOid(before.indexes), byOid(after.indexes)];
  const constraintsBefore = byOid(before.constraints);
  const ofConstraint = new Set([...before.constraints, ...after.constraints].map(({ index }) => index));
  for (const { oid, table, name } of after.indexes)
    if (grows(table) && !indexesBefore.has(oid) && !ofConstraint.has(oid))
      add('index-not-concurrent', nameOf(table), `builds index ${name}`);
  for (const { oid, table, name } of before.indexes)
    if (grows(table) && !indexesAfter.has(oid) && !ofConstraint.has(oid))
      add('index-drop-not-concurrent', nameOf(table), `drops index ${name}`);
  for (const { oid, table, name, kind, is_valid: isValid, index } of after.constraints) {
    const was = constraintsBefore.get(oid);
    if (!grows(table) || was) continue;
    if ((kind === 'c' || kind === 'f') && isValid)
      add('constraint-not-not-valid', nameOf(table), `checks all rows for ${name}`);
    if (/^[upx]$/.test(kind) && !indexesBefore.has(index))
      add('unique-constraint', nameOf(table), `builds the index of ${name}`);
  }
  const functionsAfter = new Set(after.functions.map(({ name }) => name));
  for (const { oid, name } of before.functions)
    if (inUse.has(oid) && !functionsAfter.has(name)) add('dropping-function', name, 'drops it');
  const domainsBefore = byOid(before.domains);
  for (const { oid, name } of after.domains)
    if (!domainsBefore.has(oid)) add('domain-with-constraint', name, 'is a domain');
  return changes;
}

export type Refusal = Change & { readonly why: string };

/** The changes that a migration of this phase may not make. */
export function refusalsOf(
  changes: readonly Change[],
  { phase, isTransactional }: { readonly phase: 'expand' | 'contract'; readonly isTransactional: boolean },
): Refusal[] {
  const isExcused = ({ rule }: Change): boolean => !isTransactional && rule.startsWith('index-');
  return changes
    .filter((change) => !isExcused(change) && (RULES[change.rule][0] === 'always' || phase !== 'contract'))
    .map((change) => ({ ...change, why: RULES[change.rule][1] }));
}

export const ruleNames = Object.keys(RULES) as readonly RuleName[];
