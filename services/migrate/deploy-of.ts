import { hostname, userInfo } from 'node:os';
import { commitOf } from '#observability/build.ts';
import { version } from '#observability/version.ts';
import type { NewRelease } from '#services/core/health/releases/maintain-version-history.ts';
import { cutText } from '#services/platform/define/cut-text.ts';
import { migrationStates } from '../platform/postgres/migrate.ts';

/** An account without a name, as in a container, is its number. */
function accountName(): string {
  try {
    return userInfo().username;
  } catch {
    return String(process.getuid?.() ?? 'unknown');
  }
}

const LONGEST = 255;

/** Which command ran, and the account and host that ran it. */
export const startedBy = (command: string): string => cutText(`${command} as ${accountName()}@${hostname()}`, LONGEST);

/** The deploy that this process is, on a database that it has migrated. */
export async function deployOf(databaseUrl: string, build: string | undefined, command: string): Promise<NewRelease> {
  const states = await migrationStates(databaseUrl);
  const held = states.filter(({ state }) => state !== 'pending').map(({ name }) => name);
  return {
    kind: 'deploy',
    version,
    build: build ?? commitOf() ?? null,
    schema_version: held.sort().at(-1) ?? 'none',
    started_by: startedBy(command),
  };
}
