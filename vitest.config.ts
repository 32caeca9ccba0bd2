import { defineConfig } from 'vitest/config';

const common = { environment: 'node', testTimeout: 60_000, hookTimeout: 120_000 } as const;

export default defineConfig({
  test: {
    projects: [
      {
        test: {
          ...common,
          name: 'unit',
          include: ['**/*.test.ts'],
          exclude: ['node_modules/**', '**/*.db.test.ts', '.sallyport/**'],
        },
      },
      {
        test: {
          ...common,
          name: 'integration',
          include: ['**/*.db.test.ts'],
          exclude: ['node_modules/**', '.sallyport/**'],
          globalSetup: ['services/platform/testing/global-services.ts'],
          // Two cores: a file with its own servers and load is enough beside one other.
          maxWorkers: 2,
        },
      },
    ],
  },
});
