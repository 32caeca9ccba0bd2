// For tests only: which file a process of the product begins with.
import { join } from 'node:path';
import { repositoryRoot } from '#services/platform/local/data-dir.ts';

const SOURCES = {
  cli: 'cli/main.ts',
  run: 'cli/run.ts',
  api: 'services/api/main.ts',
  worker: 'services/worker/main.ts',
  mcp: 'services/mcp/main.ts',
  migrate: 'services/migrate/main.ts',
} as const;

/** The bundle, as every start uses it; the TypeScript where coverage is measured, which is about our files. */
export const program = (name: keyof typeof SOURCES): string =>
  join(repositoryRoot, process.env.NODE_V8_COVERAGE === undefined ? `dist/current/${name}.mjs` : SOURCES[name]);
