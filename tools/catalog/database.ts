import { globSync, readFileSync } from 'node:fs';
import { basename, dirname, resolve } from 'node:path';
import { modules } from '#services/modules.ts';
import { queueTables } from '#services/platform/queue/tables.ts';

const ROOT = resolve(import.meta.dirname, '../..');

type Table = { readonly name: string /** The comment above its model. */; readonly note: string };

/** Tables of the models in `prisma/schema`, which a test compares with a migrated database. */
export const tables: readonly Table[] = globSync('prisma/schema/*.prisma', { cwd: ROOT })
  .sort()
  .flatMap((file) =>
    [...readFileSync(resolve(ROOT, file), 'utf8').matchAll(/((?:^\/\/\/.*\n)*)^model \w+ \{([\s\S]*?)^\}/gm)].map(
      ([, note = '', model = '']) => ({
        name: /@@map\("(\w+)"\)/.exec(model)?.[1] ?? '',
        note: note
          .replaceAll(/^\/\/\/ ?/gm, '')
          .trim()
          .replaceAll('\n', ' '),
      }),
    ),
  );

export type Relation = { readonly from: string; readonly to: string; readonly columns: string; readonly many: boolean };

/** Foreign keys of the models, as `from` refers to `to`. */
export function readRelations(): readonly Relation[] {
  const models = globSync('prisma/schema/*.prisma', { cwd: ROOT })
    .sort()
    .flatMap((file) => [...readFileSync(resolve(ROOT, file), 'utf8').matchAll(/^model (\w+) \{([\s\S]*?)^\}/gm)])
    .map(([, model = '', body = '']) => ({ model, body, table: /@@map\("(\w+)"\)/.exec(body)?.[1] ?? '' }));
  const tableOf = new Map(models.map(({ model, table }) => [model, table]));
  return models.flatMap(({ body, table }) =>
    [...body.matchAll(/^ +\w+ +(\w+)\??.*@relation\([^\n]*fields: \[([^\]]+)\]/gm)].map(
      ([, model = '', columns = '']) => ({
        from: table,
        to: tableOf.get(model) ?? '',
        columns,
        many: !new RegExp(`^ +${columns} .*@(?:id|unique)\\b`, 'm').test(body),
      }),
    ),
  );
}

/** Who owns each table: a module, or the part of the platform that is named. */
export const owners: ReadonlyMap<string, string> = new Map([
  ...modules.flatMap(({ name, tables: owned }) => owned.map((table) => [table, name] as const)),
  ...queueTables.map((table) => [table, 'platform/queue'] as const),
]);

/** What each process may do on each table, as the newest migration that names the table declares it: `api: SELECT; …`. */
export function readRights(): ReadonlyMap<string, ReadonlyMap<string, string>> {
  const declared = globSync('prisma/migrations/*/migration.sql', { cwd: ROOT })
    .sort()
    .flatMap((file) => [
      ...readFileSync(resolve(ROOT, file), 'utf8').matchAll(/^COMMENT ON TABLE (\w+) IS '([^']+)';/gm),
    ]);
  return new Map(
    declared.map(([, table = '', rights = '']) => [
      table,
      new Map(rights.split('; ').map((each) => each.split(': ') as [string, string])),
    ]),
  );
}

export type DatabaseFunction = { readonly name: string; readonly sql: string; readonly migration: string };
export type Trigger = { readonly name: string; readonly table: string; readonly sql: string; readonly calls: string };

const STATEMENTS = new RegExp(
  [
    /((?:^--.*\n)*)^(CREATE (?:OR REPLACE )?FUNCTION (\w+)\((?:(?!\$\$)[^;])*\$\$[\s\S]*?\$\$[^;]*;)/.source,
    /^(CREATE (?:CONSTRAINT )?TRIGGER (\w+)\s[^;]*?\sON (\w+)\b[^;]*EXECUTE FUNCTION (\w+)[^;]*;)/.source,
    /^DROP TRIGGER (?:IF EXISTS )?(\w+) ON (\w+)/.source,
    /^DROP FUNCTION (?:IF EXISTS )?(\w+)/.source,
    /^ALTER TABLE (\w+) RENAME COLUMN "?(\w+)"? TO "?(\w+)"?;/.source,
  ].join('|'),
  'gm',
);

/** The column in the condition of a trigger, with what is before it. */
const columnNamed = (name: string): RegExp => new RegExp(`\\b((?:OLD|NEW)\\.)"?${name}\\b"?`, 'g');

/** Functions and triggers as the migrations leave them. */
export function readRoutines(): {
  readonly functions: readonly DatabaseFunction[];
  readonly triggers: readonly Trigger[];
} {
  const functions = new Map<string, DatabaseFunction>();
  const triggers = new Map<string, Trigger>();
  for (const file of globSync('prisma/migrations/*/migration.sql', { cwd: ROOT }).sort()) {
    const migration = basename(dirname(file));
    for (const found of readFileSync(resolve(ROOT, file), 'utf8').matchAll(STATEMENTS)) {
      const [, why, made, name, trigger, called, on, calls, droppedTrigger, droppedOn, droppedFunction] = found;
      const [changed, before = '', after = ''] = found.slice(11);
      if (name !== undefined) functions.set(name, { name, sql: `${why}${made}`, migration });
      else if (called !== undefined && on !== undefined)
        triggers.set(`${on} ${called}`, { name: called, table: on, sql: trigger ?? '', calls: calls ?? '' });
      else if (droppedTrigger !== undefined) triggers.delete(`${droppedOn} ${droppedTrigger}`);
      else if (droppedFunction !== undefined) functions.delete(droppedFunction);
      // PostgreSQL carries the condition of a trigger to the new name of a column.
      else
        for (const [key, each] of triggers)
          if (each.table === changed)
            triggers.set(key, { ...each, sql: each.sql.replaceAll(columnNamed(before), `$1${after}`) });
    }
  }
  const byName = <T extends { readonly name: string }>(all: Iterable<T>): T[] =>
    [...all].sort((one, other) => (one.name < other.name ? -1 : 1));
  return { functions: byName(functions.values()), triggers: byName(triggers.values()) };
}
