import type { Sql } from '#services/core/ports.ts';
import { defineStatement } from '#services/platform/define/statement.ts';

export type NewRelease = {
  readonly kind: 'deploy' | 'rollback';
  readonly version: string;
  /** Commit or build id; null if it is unknown. */
  readonly build: string | null;
  /** The newest migration of the database. */
  readonly schema_version: string;
  /** The command, and the account and host that ran it. */
  readonly started_by: string;
};
export type ReleaseRow = NewRelease & { readonly started_at: Date };

// Two copies that start at once would both find their row missing.
const releasesLock = defineStatement('releasesLock', `SELECT pg_advisory_xact_lock(hashtext('sallyport releases'))`);

// By the primary key, newest first.
const releasesList = defineStatement('releasesList')`
  SELECT kind, version, build, schema_version, started_at, started_by FROM releases ORDER BY id DESC LIMIT $1`;

const releaseInsert = defineStatement('releaseInsert')`
  INSERT INTO releases (kind, version, build, schema_version, started_by) VALUES ($1, $2, $3, $4, $5)`;

/** Until the end of the transaction no other one records a release. */
export const lockReleases = async (tx: Sql): Promise<void> => void (await tx.query(releasesLock));

/** Newest first. */
export const readReleaseRows = (sql: Sql, limit: number): Promise<ReleaseRow[]> =>
  sql.query<ReleaseRow>(releasesList, [limit]);

export const insertRelease = async (tx: Sql, release: NewRelease): Promise<void> =>
  void (await tx.query(releaseInsert, [
    release.kind,
    release.version,
    release.build,
    release.schema_version,
    release.started_by,
  ]));
