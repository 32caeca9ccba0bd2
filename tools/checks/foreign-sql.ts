import { globSync, readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { modules } from '#services/modules.ts';
import { owners, readRoutines } from '../catalog/database.ts';
import reasons from './foreign-sql.json' with { type: 'json' };

const ROOT = resolve(import.meta.dirname, '../..');

const TABLE = /\b(?:FROM|JOIN|INTO|UPDATE|TRUNCATE|ONLY)\s+"?(\w+)"?/g;
/** The rest of a list after FROM: `FROM audit_events e, detection_progress p`. */
const LISTED = /\bFROM\s+\w+(?:\s+(?:AS\s+)?\w+)?((?:\s*,\s*\w+(?:\s+\w+)?)+)/g;
/** A purge names its table. */
const PURGED = /\btable: '(\w+)'/g;

/** Tables that the SQL of a source names. */
export function tablesIn(source: string): string[] {
  const text = source.replaceAll(/^\s*(?:\/\/|\/?\*).*$/gm, '').replaceAll(/\bIS\s+(?:NOT\s+)?DISTINCT\s+FROM\b/g, '');
  const named = [...text.matchAll(TABLE), ...text.matchAll(PURGED)].map(([, name = '']) => name);
  const listed = [...text.matchAll(LISTED)].flatMap(([, rest = '']) =>
    rest.split(',').flatMap((item) => /^\s*(\w+)/.exec(item)?.[1] ?? []),
  );
  return [...new Set([...named, ...listed])].filter((name) => owners.has(name)).sort();
}

/** The module of a file with SQL, or the folder outside the domain. */
const placeOf = (file: string): string =>
  /^services\/(?:core|wings)\/([^/]+)\//.exec(file)?.[1] ??
  file
    .split('/')
    .slice(0, file.startsWith('services/') ? 3 : 1)
    .join('/');

/** A part of a module, as `operations/tasks`, and a folder of the platform, as `platform/queue`, own tables too. */
const isOwn = (place: string, owner = ''): boolean =>
  owner === place || owner.startsWith(`${place}/`) || `services/${owner}` === place;

/** Every use of a table by a place that does not own it. */
export function foreignUses(): { readonly of: string; readonly table: string }[] {
  const uses = new Map<string, { of: string; table: string }>();
  for (const file of globSync('{services,cli,jobs}/**/*.ts', { cwd: ROOT })) {
    if (/(\.test|-harness)\.ts$|\/generated\//.test(file)) continue;
    const text = readFileSync(resolve(ROOT, file), 'utf8');
    if (!/\bdefine(?:Statement|Purge)\(/.test(text)) continue;
    const of = placeOf(file);
    for (const table of tablesIn(text)) if (!isOwn(of, owners.get(table))) uses.set(`${of} ${table}`, { of, table });
  }
  return [...uses.values()].sort((one, other) => `${one.of} ${one.table}`.localeCompare(`${other.of} ${other.table}`));
}

/** SQL of a module, or of a folder outside the domain, on tables of others, and why it is there. */
export const FOREIGN_SQL: Readonly<Record<string, Readonly<Record<string, string>>>> = reasons;

/** The tables that the SQL of a place names and does not own. */
export const tablesOf = (place: string): string[] =>
  Object.keys(FOREIGN_SQL[place] ?? {}).flatMap((tables) => tables.split(' '));

const wings = modules.filter(({ wing }) => wing !== undefined);
const wingTables = wings.flatMap(({ tables }) => tables);

/** Rows that jobs gave up are shown also where their wing is left out: its tables stay. */
const GIVEN_UP = ['handoff_deliveries'];

/** Tables of wings that an installation without wings reads: in SQL that is of no wing, and in triggers on other tables. */
export function wingTablesInUse(): { readonly bySql: string[]; readonly byTriggers: string[] } {
  const { functions, triggers } = readRoutines();
  const ofWings = (tables: readonly string[]): string[] =>
    [...new Set(tables)].filter((table) => wingTables.includes(table)).sort();
  const called = new Set(triggers.flatMap(({ table, calls }) => (wingTables.includes(table) ? [] : [calls])));
  const isWing = (place: string): boolean => wings.some(({ name }) => name.split('/')[0] === place);
  return {
    bySql: ofWings([
      ...GIVEN_UP,
      ...Object.keys(FOREIGN_SQL)
        .filter((place) => !isWing(place))
        .flatMap(tablesOf),
    ]),
    byTriggers: ofWings(functions.flatMap(({ name, sql }) => (called.has(name) ? tablesIn(sql) : []))),
  };
}

/** Tables that nothing reads without the wings. */
export function unusedWingTables(): string[] {
  const { bySql, byTriggers } = wingTablesInUse();
  return wingTables.filter((table) => !bySql.includes(table) && !byTriggers.includes(table));
}
