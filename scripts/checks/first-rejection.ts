import { globSync, readFileSync } from 'node:fs';
import { resolve } from 'node:path';

const ROOT = resolve(import.meta.dirname, '../..');

/**
 * What returns while its siblings still run: with `Promise.all` the first rejection ends the run of a job, and what goes on
 * writes without its fence. Parts that write end together: `allEnded` of `services/domain/shared`.
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
export const MAY_RETURN_EARLY: Readonly<Record<string, readonly string[]>> = {
  'services/domain/audit/seal/checkpoint-outbox.ts': ['only tests wait for it; close() waits for all'],
  'services/domain/compliance/reports/advance-reports.ts': [READS],
  'services/domain/compliance/run-check.ts': [BOUND],
  'services/domain/identity/accounts/forget-sessions.ts': [CACHE],
  'services/domain/identity/admin/assign-role.ts': [CACHE],
  'services/domain/identity/module.ts': [LOADS],
  'services/domain/identity/seed/seed-demo.ts': ['hashes passwords; writes nothing'],
  'services/domain/identity/sessions/auth.ts': [CACHE],
  'services/domain/identity/sessions/passkey-ceremonies.ts': [READS],
  'services/domain/identity/social/providers.ts': [READS],
  'services/domain/limits/request-limits.ts': [REQUEST],
  'services/domain/migration/certificate/issue-certificate.ts': [READS],
  'services/domain/monitoring/capacity/read-capacity.ts': [READS],
  'services/domain/monitoring/capacity/sample-capacity.ts': [READS],
  'services/domain/monitoring/read-dashboard.ts': [READS],
  'services/domain/monitoring/reports/make-security-reports.ts': [READS],
  'services/domain/oauth/assertions/client-key-sets.ts': [BOUND],
  'services/domain/oauth/clients/read-client-document.ts': [BOUND],
  'services/domain/operations/manage-dead-letters.ts': [READS],
  'services/domain/operations/progress/measure-progress.ts': [READS],
  'services/domain/operations/progress/read-progress.ts': [READS, READS],
  'services/domain/privacy/rotate-encryption-keys.ts': [READS],
  'services/domain/revocations/confirm-state.ts': [BOUND],
  'services/domain/revocations/feed-reader.ts': [MEMORY, BOUND],
  'services/domain/revocations/module.ts': [LOADS],
  'services/domain/revocations/state-poll.ts': [PROCESS],
  'services/domain/security/event-stream.ts': [REQUEST],
  'services/domain/shared/all-ended.ts': ['every part has ended'],
  'services/domain/shared/single-flight.ts': ['waits for one run after the other'],
  'services/domain/tokens/issue/issue-client-token.ts': [REQUEST],
  'services/domain/tokens/module.ts': [LOADS],
  'services/domain/tokens/verify/validate-batch.ts': [READS],
  'services/worker/consume.ts': ['after an abort, whose run no longer holds its fence'],
};

const usesIn = (source: string): number =>
  [...source.replaceAll(/^\s*(?:\/\/|\/?\*).*$/gm, '').matchAll(RETURNS_EARLY)].length;
export const returnsEarly = (source: string): boolean => usesIn(source) > 0;

/** How often each file of the jobs and of what they run returns while parts still go on. */
export const usesByFile = (): Readonly<Record<string, number>> =>
  Object.fromEntries(
    globSync('{jobs,services/domain,services/worker}/**/*.ts', { cwd: ROOT })
      .filter((file) => !/(\.test|-harness)\.ts$/.test(file))
      .map((file) => [file, usesIn(readFileSync(resolve(ROOT, file), 'utf8'))] as const)
      .filter(([, uses]) => uses > 0)
      .sort(),
  );
