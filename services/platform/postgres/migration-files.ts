import { createHash } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { z } from 'zod';
import { StartError } from '../local/errors.ts';

declare global {
  /** In a bundle, the last migration that there was when it was made; undefined where sources run. */
  var NEWEST_BUNDLED_MIGRATION: string | undefined;
}

const PRISMA = new URL('../../../prisma/', import.meta.url);
const MIGRATIONS = fileURLToPath(new URL('migrations/', PRISMA));

/**
 * Rows that a way back would lose, or that a release before a migration which stays would ignore: while the query finds
 * one, no rollback goes behind the migration.
 */
type Hold = { readonly rows: string; readonly because: string };

export type Migration = {
  readonly name: string;
  readonly sql: string;
  readonly checksum: string;
  readonly phase: 'expand' | 'contract';
  /** The SQL that takes it back, or why there is none. */
  readonly down: { readonly sql: string } | { readonly because: string };
  /** What must not be there when a release before it is gone back to. */
  readonly holds: readonly Hold[];
  /** False: its statements run one by one, outside a transaction, as `CREATE INDEX CONCURRENTLY` must. */
  readonly isTransactional: boolean;
};

const BECAUSE = /^none, because (.{3,300})$/;

/** What `phase.json` beside a migration declares. */
const declaration = z.strictObject({
  phase: z.enum(['expand', 'contract']),
  down: z.union([z.literal('down.sql'), z.string().regex(BECAUSE)]),
  holds: z
    .array(z.strictObject({ rows: z.string().regex(/^SELECT /), because: z.string().min(3).max(300) }))
    .default([]),
  transaction: z.boolean().default(true),
});

async function readMigration(folder: string, name: string): Promise<Migration> {
  const sql = await readFile(`${folder}/${name}/migration.sql`, 'utf8');
  const declared = JSON.parse(await readFile(`${folder}/${name}/phase.json`, 'utf8'));
  const { phase, down, holds, transaction } = declaration.parse(declared);
  const because = BECAUSE.exec(down)?.[1];
  return {
    name,
    sql,
    checksum: createHash('sha256').update(sql).digest('hex'),
    phase,
    down: because === undefined ? { sql: await readFile(`${folder}/${name}/down.sql`, 'utf8') } : { because },
    holds,
    isTransactional: transaction,
  };
}

/** A bundle must not apply what its own statements do not know. */
function refuseNewer(own: readonly Migration[]): void {
  const known = globalThis.NEWEST_BUNDLED_MIGRATION;
  const newer = known === undefined ? undefined : own.find(({ name }) => name > known);
  if (newer === undefined) return;
  throw new StartError(
    'bundle_outdated',
    `the bundle that runs here is older than its migrations: it does not know ${newer.name}`,
    'run "npm run build" in its folder, and start again',
  );
}

/**
 * The migrations of this version and of other folders, by name.
 * @throws StartError `bundle_outdated`
 */
export async function readMigrations(others: readonly string[] = []): Promise<Migration[]> {
  const found = await Promise.all(
    [MIGRATIONS, ...others].map(async (folder) => {
      const entries = await readdir(folder, { withFileTypes: true });
      return Promise.all(entries.filter((each) => each.isDirectory()).map(({ name }) => readMigration(folder, name)));
    }),
  );
  refuseNewer(found[0] as Migration[]);
  return found.flat().sort((one, other) => (one.name < other.name ? -1 : 1));
}

/** Migration and commit are written when the next version begins: until then the last migration is the newest. */
const releaseList = z
  .array(
    z.strictObject({
      version: z.string(),
      migration: z.string().optional(),
      commit: z
        .string()
        .regex(/^[0-9a-f]{40}$/)
        .optional(),
    }),
  )
  .refine((list) => list.slice(0, -1).every(({ migration }) => migration !== undefined), {
    message: 'every version but the last names its last migration',
  });

export type Release = {
  readonly version: string;
  /** Its last one. */
  readonly migration: string;
  /** Undefined: it is not released yet, or no code of it is kept. */
  readonly commit: string | undefined;
};

/** Every version of the product, the oldest first (`prisma/releases.json`); the last is that of this code. */
export async function readReleases(): Promise<Release[]> {
  const list = releaseList.parse(JSON.parse(await readFile(new URL('releases.json', PRISMA), 'utf8')));
  const newest = (await readMigrations()).at(-1)!.name;
  return list.map(({ version, migration = newest, commit }) => ({ version, migration, commit }));
}
