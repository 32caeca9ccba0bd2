import {
  executeRollback,
  planRollback,
  type RollbackResult,
  rollbackRefused,
} from '#services/core/health/releases/execute-rollback.ts';
import type { RollbackCompatibility } from '#services/core/health/releases/validate-rollback-compatibility.ts';
import type { Caller, Ports } from '#services/core/ports.ts';
import { StartError } from '../platform/local/errors.ts';
import {
  appliedMigrations,
  inOneTransaction,
  namingFullDisk,
  withMigrationLock,
} from '../platform/postgres/migrate.ts';
import type { Migration } from '../platform/postgres/migration-files.ts';
import { createPool, createSql, createTransact } from '../platform/postgres/pool.ts';
import { holdsOn, lockedHoldsOn, revertMigration } from '../platform/postgres/revert-migrations.ts';
import { startedBy } from './deploy-of.ts';

/** Works on the releases of a database, which needs no keys. */
export async function withReleases<T>(
  databaseUrl: string,
  work: (ports: Pick<Ports, 'sql' | 'transact'>) => Promise<T>,
): Promise<T> {
  const pool = createPool({
    url: databaseUrl,
    connections: 2,
    applicationName: 'sallyport-cli',
    statementTimeoutMs: 10_000,
    lockTimeoutMs: 5_000,
  });
  try {
    return await work({ sql: createSql(pool), transact: createTransact(pool, () => {}) });
  } finally {
    await pool.end();
  }
}

type RollBackOptions = {
  readonly databaseUrl: string;
  readonly version: string;
  readonly releases: readonly { readonly version: string; readonly migration: string }[];
  readonly migrations: readonly Migration[];
  /** The command, for the history. */
  readonly command: string;
  readonly say: (text: string) => void;
};

/** What `rollBack` would do now, which takes no table for itself. */
export const rollBackPlan = ({
  databaseUrl,
  ...question
}: Omit<RollBackOptions, 'command' | 'say'>): Promise<RollbackCompatibility> =>
  withMigrationLock(
    databaseUrl,
    () => {},
    (db) => {
      const holds = (names: readonly string[]) => holdsOn(db, named(question.migrations, names));
      return planRollback({ applied: () => appliedMigrations(db), holds }, question);
    },
  );

const named = (migrations: readonly Migration[], names: readonly string[]): Migration[] =>
  migrations.filter(({ name }) => names.includes(name));

/** Takes a database back to an older version, whole or not at all, under the lock of migrations. @throws rollbackIncompatible */
export const rollBack = (
  { databaseUrl, command, say, ...question }: RollBackOptions,
  caller: Caller,
): Promise<RollbackResult> =>
  withMigrationLock(databaseUrl, say, (db) => {
    const schema = {
      applied: () => appliedMigrations(db),
      holds: (names: readonly string[]) => lockedHoldsOn(db, named(question.migrations, names)),
      whole: <T>(work: () => Promise<T>) =>
        namingFullDisk('the rollback found no room; nothing was taken back', () => inOneTransaction(db, work)),
      revert: async (name: string) => {
        say(`taking back ${name}`);
        await revertMigration(db, named(question.migrations, [name])[0]!).catch((err: unknown) => {
          throw err instanceof StartError && err.code === 'migration_refused' ? rollbackRefused(err.message) : err;
        });
      },
    };
    const input = { ...question, started_by: startedBy(command) };
    return withReleases(databaseUrl, (ports) => executeRollback({ ...ports, schema }, input, caller));
  });
