import { readdirSync, readFileSync } from 'node:fs';
import { defineConfig } from 'vitest/config';
import { BACKGROUND, lowerPriority } from './services/platform/process/priority.ts';

// As low as the stores and the hashing processes that tests wait for: their own work would starve them.
lowerPriority(0, BACKGROUND);

const common = {
  environment: 'node',
  // Node runs the sources as it does in production, types stripped: what a test measures is what is shipped, and its
  // coverage adds up with that of the processes it starts.
  experimental: { viteModuleRunner: false, nodeLoader: false },
  // Most of a short file's time was loading the same modules: files share a worker, so a test leaves no state in them.
  isolate: false,
  // A developer's own .env is no part of a test.
  env: { SALLYPORT_ENV_FILE: '' },
  // What is waited for comes when it comes on a busy machine: only its absence is a failure.
  expect: { poll: { timeout: 30_000 } },
  globalSetup: ['tools/testing/temporary-folder.ts'],
  setupFiles: [
    'tools/testing/file-cost.ts',
    'tools/testing/patience.ts',
    'tools/testing/file-folder.ts',
    'tools/testing/child-coverage.ts',
  ],
  maxWorkers: 2,
};
// They install and build the web examples first.
const WEB = 'examples/web.all.test.ts';
const never = ['**/node_modules/**', '**/.sallyport/**'];
// They read, set or measure what a process has one of: its metrics, its tracer, its memory, its pool.
const alone = [
  'observability/**/*.test.ts',
  'services/api/bounded-series.test.ts',
  'services/core/keys/sign.test.ts',
  'services/core/tokens/verify/{hostile-token-cost,verified-token-cache}.test.ts',
];

// They hold the product to its deadlines, which a machine that runs seven files at once does not keep.
const onTime = ['services', 'cli'].flatMap((folder) =>
  readdirSync(`${import.meta.dirname}/${folder}`, { encoding: 'utf8', recursive: true })
    .map((path) => `${folder}/${path}`)
    .filter((path) => /\.(db|integration)\.test\.ts$/.test(path))
    .filter((path) => readFileSync(`${import.meta.dirname}/${path}`, 'utf8').includes('asShipped()')),
);

const onStores = {
  ...common,
  exclude: [...never, ...onTime],
  setupFiles: [...common.setupFiles, 'tools/testing/on-stores.ts'],
  globalSetup: [...common.globalSetup, 'tools/testing/global-services.ts'],
};

export default defineConfig({
  test: {
    coverage: {
      provider: 'v8',
      // Processes that tests start are measured too.
      autoAttachSubprocess: true,
      reporter: ['json'],
      reportOnFailure: true,
      include: ['{services,observability,cli,jobs}/**/*.ts'],
      exclude: ['**/*{.test,-harness}.ts', '**/testing/**', '**/generated/**'],
    },
    projects: [
      {
        test: {
          ...common,
          name: 'unit',
          include: ['**/*.test.ts'],
          exclude: [...never, ...alone, '**/*.{db,integration,all}.test.ts'],
        },
      },
      { test: { ...common, name: 'unit-alone', include: alone, isolate: true } },
      { test: { ...onStores, name: 'unit-db', include: ['**/*.db.test.ts'] } },
      { test: { ...onStores, name: 'integration', include: ['**/*.integration.test.ts'] } },
      { test: { ...onStores, name: 'on-time', include: onTime, exclude: never } },
      { test: { ...onStores, name: 'all', include: ['**/*.all.test.ts'], exclude: [...never, WEB] } },
      {
        test: {
          ...onStores,
          name: 'web',
          include: [WEB],
          globalSetup: [...onStores.globalSetup, 'examples/web-setup.ts'],
        },
      },
    ],
  },
});
