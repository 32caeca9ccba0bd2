import { globSync, readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { expect, test } from 'vitest';

const ROOT = resolve(import.meta.dirname, '../..');

/**
 * What returns while its siblings still run: with `Promise.all` the first rejection ends the run of a job, and what goes on
 * writes without its fence. Parts that write end together: `allEnded` of `services/core/shared`.
 */
const RETURNS_EARLY = /\bPromise\s*(?:\??\.\s*(?:all|race|any)\b|\[)|\b(?:all|race|any)\b[^;{}]*}\s*=\s*Promise\b/g;

const READS = 'only reads';
const LOADS = 'loads modules';
const REQUEST = 'no run of a job calls it';
const BOUND = 'the work that goes on is bounded by its own signal or writes nothing';
const MEMORY = 'changes what this process knows, not a store';
const CACHE = 'copies of sessions in Redis, which no fence guards';
const PROCESS = 'starts or stops a process';

/** Each use that may return early, by file, with its reason. */
const MAY_RETURN_EARLY: Readonly<Record<string, readonly string[]>> = {
  'services/core/audit/seal/checkpoint-outbox.ts': ['only tests wait for it; close() waits for all'],
  'services/wings/compliance/reports/advance-reports.ts': [READS],
  'services/wings/compliance/run-check.ts': [BOUND],
  'services/core/identity/accounts/forget-sessions.ts': [CACHE],
  'services/core/identity/admin/assign-role.ts': [CACHE],
  'services/core/identity/module.ts': [LOADS],
  'services/core/identity/seed/seed-demo.ts': ['hashes passwords; writes nothing'],
  'services/core/identity/sessions/auth.ts': [CACHE],
  'services/core/identity/sessions/passkey-ceremonies.ts': [READS],
  'services/core/identity/social/providers.ts': [READS],
  'services/core/limits/request-limits.ts': [REQUEST],
  'services/wings/import/certificate/issue-certificate.ts': [READS],
  'services/wings/monitoring/capacity/read-capacity.ts': [READS],
  'services/wings/monitoring/read-dashboard.ts': [READS],
  'services/wings/monitoring/reports/make-security-reports.ts': [READS],
  'services/core/oauth/assertions/client-key-sets.ts': [BOUND],
  'services/core/oauth/clients/read-client-document.ts': [BOUND],
  'services/core/health/manage-dead-letters.ts': [READS],
  'services/wings/monitoring/progress/measure-progress.ts': [READS],
  'services/wings/monitoring/progress/read-progress.ts': [READS, READS],
  'services/wings/privacy/rotate-encryption-keys.ts': [READS],
  'services/core/revocations/confirm-state.ts': [BOUND],
  'services/core/revocations/feed-reader.ts': [MEMORY],
  'services/core/revocations/module.ts': [LOADS],
  'services/core/revocations/state-poll.ts': [PROCESS],
  'services/core/security/event-stream.ts': [REQUEST],
  'services/core/shared/send-batch.ts': ['every part has ended'],
  'services/core/shared/single-flight.ts': ['waits for one run after the other'],
  'services/core/tokens/issue/issue-client-token.ts': [REQUEST],
  'services/core/tokens/module.ts': [LOADS],
  'services/core/tokens/verify/validate-batch.ts': [READS],
  'services/worker/consume.ts': ['after an abort, whose run no longer holds its fence'],
};

const usesIn = (source: string): number =>
  [...source.replaceAll(/^\s*(?:\/\/|\/?\*).*$/gm, '').matchAll(RETURNS_EARLY)].length;
const returnsEarly = (source: string): boolean => usesIn(source) > 0;

/** How often each file of the jobs and of what they run returns while parts still go on. */
const usesByFile = (): Readonly<Record<string, number>> =>
  Object.fromEntries(
    globSync('{jobs,services/core,services/wings,services/worker}/**/*.ts', { cwd: ROOT })
      .filter((file) => !/(\.test|-harness)\.ts$/.test(file))
      .map((file) => [file, usesIn(readFileSync(resolve(ROOT, file), 'utf8'))] as const)
      .filter(([, uses]) => uses > 0)
      .sort(),
  );

test('nothing that runs under the fence of a job returns while parts of it still write', () => {
  const listed = Object.entries(MAY_RETURN_EARLY).map(([file, reasons]) => [file, reasons.length]);
  expect(usesByFile()).toEqual(Object.fromEntries(listed));
});

test.each([
  'await Promise.all(rows.map(send))',
  'await Promise\n    .all(rows.map(send))',
  'return Promise.race([work, late])',
  'Promise.any(mirrors)',
  'rows.map(send).then.call(Promise.all)',
  `Promise['all'](rows)`,
  'const { all } = Promise;',
  'const { all: together } = Promise;',
])('is found: %s', (source) => expect(returnsEarly(source)).toBe(true));

test.each([
  'await allEnded(rows.map(send))',
  'await Promise.allSettled(rows.map(send))',
  'Promise.withResolvers<void>()',
  '// Promise.all would end the run',
  ' * `Promise.all` would end the run',
])('is no such use: %s', (source) => expect(returnsEarly(source)).toBe(false));
