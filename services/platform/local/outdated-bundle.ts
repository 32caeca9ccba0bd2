import { basename, dirname } from 'node:path';
import { isOutdated } from './bundle-sources.mjs';
import { repositoryRoot } from './data-dir.ts';

// `filename` is the one member of import.meta that the bundler leaves as it is: the place of the bundle.
const folder = dirname(import.meta.filename);

/** The bundle that runs here; undefined if the sources run. */
export const runningBundle: string | undefined = /^[0-9a-f]{16}$/.test(basename(folder)) ? basename(folder) : undefined;

/** Said where the sources beside the bundle that runs are newer: a checkout that was updated and not built. */
const OUTDATED = {
  code: 'sources_newer',
  message: 'the code that runs is older than its sources',
  fix: `run "npm run build" in ${repositoryRoot}, and start again`,
} as const;

/** What to say if the sources beside the bundle that runs are newer. Sources that cannot be read say nothing. */
export function outdatedBundle(): typeof OUTDATED | undefined {
  try {
    return runningBundle !== undefined && isOutdated(repositoryRoot, folder) ? OUTDATED : undefined;
  } catch {
    return undefined;
  }
}
