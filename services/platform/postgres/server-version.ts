import { StartError } from '../local/errors.ts';

const LEAST = 15;
const TESTED = 18;

/** A version that the product starts with, although no test runs on it: the warning; undefined for a tested one. */
export function postgresVersionWarning(versionNumber: number): string | undefined {
  const major = majorOf(versionNumber);
  return major < TESTED ? `PostgreSQL ${major} is older than the tested version ${TESTED}` : undefined;
}

/** @throws StartError `postgres_too_old` for a version on which the product does not run */
export function assertPostgresVersion(versionNumber: number): void {
  const major = majorOf(versionNumber);
  if (major < LEAST) throw new StartError('postgres_too_old', `PostgreSQL ${major} is too old`, POSTGRES_VERSION_FIX);
}

export const POSTGRES_VERSION_FIX = `use PostgreSQL ${TESTED}; ${LEAST} is the oldest that is accepted`;

/** `server_version_num` is 180001 for version 18.1. */
const majorOf = (versionNumber: number): number => Math.floor(versionNumber / 10_000);
