import { recordEvent } from '#services/core/audit/record-event.ts';
import type { Caller, Ports } from '#services/core/ports.ts';
import { releaseDeployed, releaseRolledBack } from '../audit-events.ts';
import { insertRelease, lockReleases, type NewRelease, type ReleaseRow, readReleaseRows } from './releases.store.ts';

export type { NewRelease, ReleaseRow };

const isSame = (one: NewRelease, other: NewRelease | undefined): boolean =>
  one.kind === other?.kind &&
  one.version === other.version &&
  one.build === other.build &&
  one.schema_version === other.schema_version;

/** Migrations that a rollback took back, and those that it left. */
type RolledBack = { readonly reverted: readonly string[]; readonly kept: readonly string[] };

/**
 * Adds a deploy or a rollback to the history of versions, with its audit event. The release that is already the newest
 * adds nothing: a restart is no deploy, and a rollback that is asked for again happened once.
 * @param detail of a rollback
 * @returns whether a row was added
 */
export async function maintainVersionHistory(
  { transact }: Pick<Ports, 'transact'>,
  release: NewRelease,
  caller: Caller,
  detail: RolledBack | undefined = undefined,
): Promise<boolean> {
  const { kind, version, build, schema_version: schemaVersion } = release;
  return transact(async (tx) => {
    await lockReleases(tx);
    const [newest] = await readReleaseRows(tx, 1);
    if (isSame(release, newest)) return false;
    await insertRelease(tx, release);
    const about = { outcome: 'ok', target: { kind: 'installation', id: version } } as const;
    const named = { version, build, schema_version: schemaVersion };
    if (kind === 'deploy') await recordEvent(tx, caller, releaseDeployed, { ...about, detail: named });
    else await recordEvent(tx, caller, releaseRolledBack, { ...about, detail: { ...named, ...detail } });
    return true;
  });
}

/** Deploys and rollbacks of this database, newest first. */
export const listReleases = (
  { sql }: Pick<Ports, 'sql'>,
  { limit }: { readonly limit: number },
): Promise<ReleaseRow[]> => readReleaseRows(sql, limit);
