import {
  executeRollback,
  type LockedSchema,
  type RollbackResult,
} from '#services/domain/operations/releases/execute-rollback.ts';
import type { Caller, Ports } from '#services/domain/ports.ts';
import { appliedMigrations, revertMigration, withMigrationLock } from '../platform/postgres/migrate.ts';
import type { Migration } from '../platform/postgres/migration-files.ts';
import { createPool, createSql, createTransact } from '../platform/postgres/pool.ts';
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

export type RollBackOptions = {
  readonly databaseUrl: string;
  readonly version: string;
  readonly releases: readonly { readonly version: string; readonly migration: string }[];
  readonly migrations: readonly Migration[];
  /** The command, for the history. */
  readonly command: string;
  readonly say: (text: string) => void;
};

/** Takes a database back to an older version under the lock of migrations. @throws rollbackIncompatible */
export function rollBack(
  { databaseUrl, command, say, ...question }: RollBackOptions,
  caller: Caller,
): Promise<RollbackResult> {
  return withMigrationLock(databaseUrl, say, (db) => {
    const schema: LockedSchema = {
      applied: () => appliedMigrations(db),
      revert: async (name) => {
        say(`taking back ${name}`);
        await revertMigration(db, question.migrations.find((each) => each.name === name)!);
      },
    };
    const input = { ...question, started_by: startedBy(command) };
    return withReleases(databaseUrl, (ports) => executeRollback({ ...ports, schema }, input, caller));
  });
}
