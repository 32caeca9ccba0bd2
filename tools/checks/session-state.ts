import { globSync, readFileSync } from 'node:fs';
import { resolve } from 'node:path';

const ROOT = resolve(import.meta.dirname, '../..');

/**
 * SQL that leaves something in a session. A pooler in transaction mode gives the session to others afterwards, so such SQL
 * needs a connection that leads to PostgreSQL itself.
 */
const LEAVES = [
  /(?:^|[`'";])\s*SET\s+(?!(?:LOCAL|CONSTRAINTS)\b)\w/m,
  /(?:^|[`'";])\s*(?:RESET|LISTEN|DISCARD|PREPARE|LOAD)\s+\w/m,
  /\bset_config\([^)]*,\s*false\)/,
  /\bpg_(?:try_)?advisory_(?:lock|unlock)/,
  /\bCREATE TEMP(?:ORARY)?\b(?!.*ON COMMIT DROP)/,
  /\bWITH HOLD\b/,
] as const;

/** Files whose connections always lead to PostgreSQL itself. */
export const DIRECT: Readonly<Record<string, string>> = {
  'services/platform/postgres/migrate.ts': 'migrations: the lock of the session, by DATABASE_DIRECT_URL',
  'services/platform/postgres/table-copies.ts': 'backup and restore: formats and the lock of the session',
  'services/supervisor/tasks-database.ts': 'the example service has another database',
};

export const leavesState = (source: string): boolean => {
  const text = source.replaceAll(/^\s*(?:\/\/|\/?\*).*$/gm, '');
  return LEAVES.some((pattern) => pattern.test(text));
};

/** Product files with SQL that leaves something in a session. */
export const filesLeavingState = (): string[] =>
  globSync('{services,cli,jobs,observability}/**/*.ts', { cwd: ROOT })
    .filter((file) => !/(\.test|-harness)\.ts$|\/generated\//.test(file))
    .filter((file) => leavesState(readFileSync(resolve(ROOT, file), 'utf8')))
    .sort();
