import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { join, resolve } from 'node:path';
import type pg from 'pg';
import type { Process } from './statements.ts';

const ROOT = resolve(import.meta.dirname, '../..');

const verbs = ['SELECT', 'INSERT', 'UPDATE', 'DELETE'] as const;
type Verb = (typeof verbs)[number];
/** Columns that a verb reaches: only of UPDATE, `*` for all; a statement that only locks rows reaches none. */
export type Columns = Set<string>;
/** By table and verb. */
export type Rights = Map<string, Map<Verb, Columns>>;

let read: Readonly<Record<Process, Readonly<Record<string, string>>>> | undefined;

/** The SQL statements that each process can reach, by name. */
function readStatements(): NonNullable<typeof read> {
  read ??= JSON.parse(
    execFileSync(process.execPath, [join(ROOT, 'tools/process-rights/statements.ts')], {
      cwd: ROOT,
      encoding: 'utf8',
      maxBuffer: 64 * 1_048_576,
    }),
  ) as NonNullable<typeof read>;
  return read;
}

/** The roles whose statements call a function. */
export const callsOf = (name: string): string[] =>
  Object.entries(readStatements())
    // A worker seals on connections of the sealer.
    .filter(([process]) => process !== 'worker' || !name.startsWith('audit_'))
    .filter(([, statements]) => Object.values(statements).some((text) => new RegExp(`\\b${name}\\s*\\(`).test(text)))
    .map(([process]) => `sallyport_${process}`)
    .sort();

/** Rights that no statement of ours shows, and why. */
const OTHERS: readonly {
  readonly of: readonly Process[];
  /** Without: all. */
  readonly tables?: readonly string[];
  readonly may: readonly Verb[];
  readonly reason: string;
}[] = [
  {
    of: ['api'],
    tables: ['users', 'sessions', 'accounts', 'verifications', 'two_factors', 'passkeys'],
    may: verbs,
    reason: 'Better Auth reads and writes its models through Prisma',
  },
  {
    of: ['api', 'mcp', 'worker', 'log_sealer'],
    tables: ['feed_state'],
    may: ['SELECT'],
    reason: 'each transaction begins with a look at the identity of the database',
  },
  {
    of: ['api', 'mcp'],
    tables: ['users', 'user_roles', 'audit_events'],
    may: ['SELECT'],
    reason: 'the statement of a list is made from the filters of its request',
  },
  {
    of: ['api', 'mcp', 'worker'],
    tables: ['_prisma_migrations'],
    may: ['SELECT'],
    reason: 'the command line shows pending migrations to every login',
  },
  { of: ['worker'], may: ['SELECT'], reason: 'the rehearsal of a restore copies every table' },
  {
    of: ['log_sealer'],
    tables: ['audit_outbox_default'],
    may: ['SELECT', 'UPDATE', 'DELETE'],
    reason: 'the retention of the outbox is a setting, so its purge is made at the start',
  },
];

const ALL = ['*'];

/** What a role may update that only locks rows: PostgreSQL asks for one column, and this one decides nothing. */
const HARMLESS = `updatedAt updated_at changed_at last_seen_at createdAt created_at decided_at received_at recorded_at
  disclosed_at granted_at expires_at expiresAt ends_at hour at until description version`.split(/\s+/);

/** A worker writes the log on connections of the sealer. */
const isWrittenBySealer = (table: string, verb: Verb): boolean =>
  table.startsWith('audit_') && verb !== 'SELECT' && `${verb} ${table}` !== 'INSERT audit_outbox';

/** Statements by which a compliance check proves that they are refused. */
const isForbiddenOnPurpose = (name: string): boolean => name.startsWith('complianceTry');

/** Tables in a text, by the words before them. */
const uses = (text: string, before: string, tables: readonly string[]): string[] =>
  tables.filter((table) => new RegExp(`\\b(?:${before})\\s+(?:ONLY\\s+)?"?${table}\\b`, 'i').test(text));

type Write = `${Exclude<Verb, 'SELECT'>} ${string}`;

/** What a text writes, whatever its rights. */
function writesOf(text: string, tables: readonly string[]): Write[] {
  const inserted = uses(text, 'INSERT INTO', tables);
  return [
    ...inserted.map((table): Write => `INSERT ${table}`),
    ...(/\bDO UPDATE\b/i.test(text) ? inserted.map((table): Write => `UPDATE ${table}`) : []),
    ...uses(text, 'UPDATE', tables).map((table): Write => `UPDATE ${table}`),
    ...uses(text, 'DELETE FROM', tables).map((table): Write => `DELETE ${table}`),
  ];
}

type Routine = { readonly name: string; readonly body: string; readonly isDefiner: boolean };
type Trigger = { readonly table: string; readonly verb: Exclude<Verb, 'SELECT'>; readonly calls: string };

type Catalog = {
  readonly tables: readonly string[];
  /** By table. */
  readonly columns: ReadonlyMap<string, readonly string[]>;
  readonly routines: ReadonlyMap<string, Routine>;
  readonly triggers: readonly Trigger[];
};

async function readCatalog(db: pg.Client): Promise<Catalog> {
  const tables = await db.query<{ name: string }>(
    `SELECT relname AS name FROM pg_class WHERE relkind IN ('r', 'p') AND relnamespace = current_schema()::regnamespace
       AND relname !~ '^audit_outbox_[0-9]+$' ORDER BY relname`,
  );
  const columns = await db.query<{ table: string; names: string[] }>(
    `SELECT table_name AS table, array_agg(column_name::text ORDER BY ordinal_position) AS names
     FROM information_schema.columns WHERE table_schema = current_schema() GROUP BY table_name`,
  );
  const routines = await db.query<Routine>(
    `SELECT proname AS name, prosrc AS body, prosecdef AS "isDefiner" FROM pg_proc
     WHERE pronamespace = current_schema()::regnamespace`,
  );
  const triggers = await db.query<Trigger>(
    `SELECT c.relname AS table, v.verb, p.proname AS calls
     FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid JOIN pg_proc p ON p.oid = t.tgfoid,
       (VALUES ('INSERT', 4), ('DELETE', 8), ('UPDATE', 16)) v (verb, bit)
     WHERE NOT t.tgisinternal AND NOT c.relispartition AND (t.tgtype & v.bit) <> 0`,
  );
  return {
    tables: tables.rows.map(({ name }) => name),
    columns: new Map(columns.rows.map(({ table, names }) => [table, names])),
    routines: new Map(routines.rows.map((each) => [each.name, each])),
    triggers: triggers.rows,
  };
}

type Right = readonly [table: string, verb: Verb, columns?: readonly string[]];

/** Columns to which a text gives a value, as `name = …`. */
const givenIn = (text: string, columns: readonly string[] = []): string[] =>
  columns.filter((name) => new RegExp(`(?:\\bSET|,)\\s+"?${name}"?\\s*=`, 'i').test(text));

/** Rights and writes of the body of a function; PostgreSQL checks the rights of a plain one at each call. */
function needsOfBody(body: string, { tables, columns }: Catalog): { rights: Right[]; writes: Write[] } {
  const rights: Right[] = [];
  const writes: Write[] = [];
  for (const text of body.replaceAll(/--.*$/gm, '').split(';')) {
    const written = writesOf(text, tables);
    writes.push(...written);
    for (const write of written) {
      const [verb, table] = write.split(' ') as [Verb, string];
      rights.push(verb === 'UPDATE' ? [table, verb, givenIn(text, columns.get(table))] : [table, verb]);
      if (verb !== 'INSERT' || /\bRETURNING\b|\bON CONFLICT\b/i.test(text)) rights.push([table, 'SELECT']);
    }
    const read = uses(text.replaceAll(/\bDELETE FROM\b/gi, ''), 'FROM|JOIN|USING|,', tables);
    for (const table of read) rights.push([table, 'SELECT']);
    if (/\bFOR (?:NO KEY )?(?:UPDATE|SHARE|KEY SHARE)\b/i.test(text))
      for (const table of read) rights.push([table, 'UPDATE', []]);
  }
  return { rights, writes };
}

/** Whether a text may need a verb on a table that it names: fewer texts to ask about. */
const mayNeed = (text: string, verb: Verb, table: string): boolean => {
  if (verb === 'SELECT') return true;
  if (verb === 'UPDATE') return /\bUPDATE\b|\bSHARE\b/i.test(text);
  return writesOf(text, [table]).includes(`${verb} ${table}`);
};

/**
 * Asks PostgreSQL which rights the statements need: a role loses one right after another, and a statement that it may no
 * longer plan needs that right.
 * @param of by text: the processes that run it
 */
async function askRights(
  db: pg.Client,
  of: ReadonlyMap<string, readonly Process[]>,
  { tables, columns }: Catalog,
  add: AddTo,
): Promise<void> {
  const role = `rights_${randomBytes(6).toString('hex')}`;
  await db.query('BEGIN');
  await db.query(`CREATE ROLE ${role}`);
  const schema = (await db.query<{ name: string }>('SELECT quote_ident(current_schema()) AS name')).rows[0]?.name;
  await db.query(`GRANT USAGE ON SCHEMA ${schema} TO ${role}`);
  await db.query(`GRANT ALL ON ALL TABLES IN SCHEMA ${schema} TO ${role}`);
  await db.query(`GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA ${schema} TO ${role}`);
  // An error other than a refusal is one of ours.
  await db.query(`CREATE FUNCTION pg_temp.is_refused(asked text) RETURNS boolean LANGUAGE plpgsql AS $$
    BEGIN
      EXECUTE 'EXPLAIN (GENERIC_PLAN) ' || asked;
      RETURN false;
    EXCEPTION WHEN insufficient_privilege THEN RETURN true;
    END $$`);
  /** Adds the processes whose statements the role may not plan once it has lost a right. */
  const askWithout = async (lost: string, texts: readonly string[], found: (process: Process) => void) => {
    if (texts.length === 0) return;
    await db.query('SAVEPOINT one');
    await db.query(lost);
    await db.query(`SET LOCAL ROLE ${role}`);
    const known = new Set<Process>();
    for (const text of texts) {
      const unknown = of.get(text)?.filter((process) => !known.has(process)) ?? [];
      if (unknown.length === 0) continue;
      const { rows } = await db.query<{ refused: boolean }>('SELECT pg_temp.is_refused($1) AS refused', [text]);
      if (!rows[0]?.refused) continue;
      for (const process of unknown) {
        known.add(process);
        found(process);
      }
    }
    await db.query('ROLLBACK TO one');
  };
  for (const table of tables) {
    const named = [...of.keys()].filter((text) => new RegExp(`\\b${table}\\b`).test(text));
    for (const verb of verbs) {
      const asked = named.filter((text) => mayNeed(text, verb, table));
      await askWithout(`REVOKE ${verb} ON "${table}" FROM ${role}`, asked, (process) =>
        add(process, table, verb, verb === 'UPDATE' ? [] : undefined),
      );
    }
    const all = columns.get(table) ?? [];
    const updating = named.filter((text) => /\bSET\b/i.test(text) && mayNeed(text, 'UPDATE', table));
    for (const column of all) {
      const others = all.filter((each) => each !== column).map((each) => `"${each}"`);
      const lost = `REVOKE UPDATE ON "${table}" FROM ${role}; ${others.length === 0 ? '' : `GRANT UPDATE (${others}) ON "${table}" TO ${role}`}`;
      const naming = updating.filter((text) => new RegExp(`\\b${column}\\b`).test(text));
      await askWithout(lost, naming, (process) => add(process, table, 'UPDATE', [column]));
    }
  }
  await db.query('ROLLBACK');
}

/** What the statements of a process, and the functions and triggers that they run, need. */
function followRoutines(statements: readonly string[], catalog: Catalog, add: (...right: Right) => void): void {
  const { tables, routines, triggers } = catalog;
  const called = new Set<string>();
  const written = new Set<Write>();
  const call = (name: string): void => {
    const routine = routines.get(name);
    if (routine === undefined || called.has(name)) return;
    called.add(name);
    // PostgreSQL checks the rights of its owner.
    if (routine.isDefiner) return;
    const needs = needsOfBody(routine.body, catalog);
    for (const right of needs.rights) add(...right);
    follow(routine.body, needs.writes);
  };
  const follow = (text: string, writes: readonly Write[]): void => {
    for (const name of routines.keys()) if (new RegExp(`\\b${name}\\s*\\(`).test(text)) call(name);
    for (const write of writes) {
      if (written.has(write)) continue;
      written.add(write);
      for (const { table, verb, calls } of triggers) if (`${verb} ${table}` === write) call(calls);
    }
  };
  for (const text of statements) follow(text, writesOf(text, tables));
}

type AddTo = (process: Process, ...right: Right) => void;

/** The least rights on tables with which each process can do its work. */
export async function leastRights(db: pg.Client): Promise<Readonly<Record<Process, Rights>>> {
  const catalog = await readCatalog(db);
  const of = new Map<string, Process[]>();
  const least: Record<Process, Rights> = { api: new Map(), mcp: new Map(), worker: new Map(), log_sealer: new Map() };
  const addTo: AddTo = (process, table, verb, columns = ALL) => {
    if (process === 'worker' && isWrittenBySealer(table, verb)) return;
    const rights = least[process].get(table) ?? new Map<Verb, Columns>();
    least[process].set(table, rights.set(verb, new Set([...(rights.get(verb) ?? []), ...columns])));
  };
  for (const [process, statements] of Object.entries(readStatements()) as [Process, Record<string, string>][]) {
    const texts = Object.entries(statements).flatMap(([name, text]) => (isForbiddenOnPurpose(name) ? [] : [text]));
    followRoutines(texts, catalog, (...right) => addTo(process, ...right));
    // `SET LOCAL …` has no plan.
    for (const text of texts.filter((each) => !/^\s*(?:SET|LOCK)\b/i.test(each)))
      of.set(text, [...(of.get(text) ?? []), process]);
  }
  await askRights(db, of, catalog, addTo);
  for (const other of OTHERS)
    for (const process of other.of)
      for (const table of other.tables ?? catalog.tables) for (const verb of other.may) addTo(process, table, verb);
  return settled(least, catalog);
}

/** Columns in the order of their table, and one for a role that only locks rows. */
function settled(least: Readonly<Record<Process, Rights>>, { columns }: Catalog): Readonly<Record<Process, Rights>> {
  for (const [process, rights] of Object.entries(least))
    for (const [table, verbs] of rights) {
      const found = verbs.get('UPDATE');
      if (found === undefined) continue;
      // Columns protect nothing from an API that may replace the row.
      if (process === 'api' && verbs.has('INSERT') && verbs.has('DELETE')) found.add('*');
      const all = columns.get(table) ?? [];
      const named = all.filter((name) => found.has('*') || found.has(name));
      const lockable = HARMLESS.find((name) => all.includes(name));
      verbs.set('UPDATE', new Set(named.length === 0 ? [lockable ?? '?'] : named.length === all.length ? ALL : named));
    }
  return least;
}

/** What a role may do on a table, as a comment of a migration declares it. */
export const declaredRights = (rights: ReadonlyMap<Verb, Columns> | undefined): string =>
  verbs
    .flatMap((verb) => {
      const columns = rights?.get(verb);
      if (columns === undefined) return [];
      return columns.has('*') ? [verb] : [`${verb} (${[...columns].map(quoted).join(', ')})`];
    })
    .join(', ');

const quoted = (name: string): string => (/^[a-z_][a-z0-9_]*$/.test(name) ? name : `"${name}"`);
