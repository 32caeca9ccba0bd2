import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { join, resolve } from 'node:path';
import type pg from 'pg';
import type { Process } from './statements.ts';

const ROOT = resolve(import.meta.dirname, '../..');

const verbs = ['SELECT', 'INSERT', 'UPDATE', 'DELETE'] as const;
type Verb = (typeof verbs)[number];
/** By table: the verbs. */
export type Rights = Map<string, Set<Verb>>;

/** The SQL statements that each process can reach, by name. */
const readStatements = (): Readonly<Record<Process, Readonly<Record<string, string>>>> =>
  JSON.parse(
    execFileSync(process.execPath, [join(ROOT, 'scripts/process-rights/statements.ts')], {
      cwd: ROOT,
      encoding: 'utf8',
      maxBuffer: 64 * 1_048_576,
    }),
  );

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
  {
    of: ['worker'],
    may: ['SELECT'],
    reason: 'the rehearsal of a restore copies every table',
  },
  {
    of: ['log_sealer'],
    tables: ['audit_outbox_default'],
    may: ['SELECT', 'UPDATE', 'DELETE'],
    reason: 'the retention of the outbox is a setting, so its purge is made at the start',
  },
];

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
  readonly routines: ReadonlyMap<string, Routine>;
  readonly triggers: readonly Trigger[];
};

async function readCatalog(db: pg.Client): Promise<Catalog> {
  const tables = await db.query<{ name: string }>(
    `SELECT relname AS name FROM pg_class WHERE relkind IN ('r', 'p') AND relnamespace = current_schema()::regnamespace
       AND relname !~ '^audit_outbox_[0-9]+$' ORDER BY relname`,
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
    routines: new Map(routines.rows.map((each) => [each.name, each])),
    triggers: triggers.rows,
  };
}

/** Rights and writes of the body of a function; PostgreSQL checks the rights of a plain one at each call. */
function needsOfBody(body: string, tables: readonly string[]): { rights: [string, Verb][]; writes: Write[] } {
  const rights: [string, Verb][] = [];
  const writes: Write[] = [];
  for (const text of body.replaceAll(/--.*$/gm, '').split(';')) {
    const written = writesOf(text, tables);
    writes.push(...written);
    for (const write of written) {
      const [verb, table] = write.split(' ') as [Verb, string];
      rights.push([table, verb]);
      if (verb !== 'INSERT' || /\bRETURNING\b|\bON CONFLICT\b/i.test(text)) rights.push([table, 'SELECT']);
    }
    const read = uses(text.replaceAll(/\bDELETE FROM\b/gi, ''), 'FROM|JOIN|USING|,', tables);
    for (const table of read) rights.push([table, 'SELECT']);
    if (/\bFOR (?:NO KEY )?(?:UPDATE|SHARE|KEY SHARE)\b/i.test(text))
      for (const table of read) rights.push([table, 'UPDATE']);
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
  tables: readonly string[],
  add: (process: Process, table: string, verb: Verb) => void,
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
  for (const table of tables) {
    const named = [...of.keys()].filter((text) => new RegExp(`\\b${table}\\b`).test(text));
    for (const verb of verbs) {
      const asked = named.filter((text) => mayNeed(text, verb, table));
      if (asked.length === 0) continue;
      await db.query('SAVEPOINT one');
      await db.query(`REVOKE ${verb} ON "${table}" FROM ${role}`);
      await db.query(`SET LOCAL ROLE ${role}`);
      const found = new Set<Process>();
      for (const text of asked) {
        const unknown = of.get(text)?.filter((process) => !found.has(process)) ?? [];
        if (unknown.length === 0) continue;
        const { rows } = await db.query<{ refused: boolean }>('SELECT pg_temp.is_refused($1) AS refused', [text]);
        if (!rows[0]?.refused) continue;
        for (const process of unknown) {
          found.add(process);
          add(process, table, verb);
        }
      }
      await db.query('ROLLBACK TO one');
    }
  }
  await db.query('ROLLBACK');
}

/** What the statements of a process, and the functions and triggers that they run, need. */
function followRoutines(
  statements: readonly string[],
  { tables, routines, triggers }: Catalog,
  add: (table: string, verb: Verb) => void,
): void {
  const called = new Set<string>();
  const written = new Set<Write>();
  const call = (name: string): void => {
    const routine = routines.get(name);
    if (routine === undefined || called.has(name)) return;
    called.add(name);
    // PostgreSQL checks the rights of its owner.
    if (routine.isDefiner) return;
    const needs = needsOfBody(routine.body, tables);
    for (const [table, verb] of needs.rights) add(table, verb);
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

/** The least rights on tables with which each process can do its work. */
export async function leastRights(db: pg.Client): Promise<Readonly<Record<Process, Rights>>> {
  const catalog = await readCatalog(db);
  const of = new Map<string, Process[]>();
  const least: Record<Process, Rights> = { api: new Map(), mcp: new Map(), worker: new Map(), log_sealer: new Map() };
  const addTo = (process: Process, table: string, verb: Verb): void => {
    if (process === 'worker' && isWrittenBySealer(table, verb)) return;
    least[process].set(table, (least[process].get(table) ?? new Set()).add(verb));
  };
  for (const [process, statements] of Object.entries(readStatements()) as [Process, Record<string, string>][]) {
    const texts = Object.entries(statements).flatMap(([name, text]) => (isForbiddenOnPurpose(name) ? [] : [text]));
    followRoutines(texts, catalog, (table, verb) => addTo(process, table, verb));
    // `SET LOCAL …` has no plan.
    for (const text of texts.filter((each) => !/^\s*(?:SET|LOCK)\b/i.test(each)))
      of.set(text, [...(of.get(text) ?? []), process]);
  }
  await askRights(db, of, catalog.tables, addTo);
  for (const other of OTHERS)
    for (const process of other.of)
      for (const table of other.tables ?? catalog.tables) for (const verb of other.may) addTo(process, table, verb);
  return least;
}
