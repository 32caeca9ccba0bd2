import { defineConfig } from 'vitest/config';

const common = {
  environment: 'node',
  // A developer's own .env is no part of a test.
  env: { SALLYPORT_ENV_FILE: '' },
  // A start that takes seconds takes a minute on a machine that is busy with other work.
  testTimeout: 120_000,
  hookTimeout: 240_000,
  // What is waited for comes when it comes on a busy machine: only its absence is a failure.
  expect: { poll: { timeout: 30_000 } },
  setupFiles: ['testing/child-coverage.ts'],
};
const never = ['**/node_modules/**', '**/.sallyport/**'];

const onStores = {
  ...common,
  exclude: never,
  setupFiles: [...common.setupFiles, 'testing/empty-redis.ts'],
  globalSetup: ['testing/global-services.ts'],
  // Two cores: a file with its own servers and load is enough beside one other.
  maxWorkers: 2,
  // Most of a short file's time was loading the same modules: files share a worker, so a test leaves no state in them.
  isolate: false,
};

export default defineConfig({
  test: {
    coverage: {
      provider: 'v8',
      reporter: ['json'],
      reportOnFailure: true,
      include: ['{services,observability,cli,jobs}/**/*.ts'],
      exclude: ['**/*.test.ts', '**/*-harness.ts', '**/testing/**', '**/generated/**'],
    },
    projects: [
      {
        test: {
          ...common,
          name: 'unit',
          include: ['**/*.test.ts'],
          exclude: [...never, '**/*.{db,integration}.test.ts'],
          maxWorkers: 2,
        },
      },
      { test: { ...onStores, name: 'unit-db', include: ['**/*.db.test.ts'] } },
      { test: { ...onStores, name: 'integration', include: ['**/*.integration.test.ts'] } },
    ],
  },
});
