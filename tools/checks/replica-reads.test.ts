import { globSync, readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { expect, test } from 'vitest';

const ROOT = resolve(import.meta.dirname, '../..');
const read = (file: string): string => readFileSync(resolve(ROOT, file), 'utf8');

/** What a read replica may answer. Nothing decides by it: neither a process nor a person who needs what is true now. */
const DECLARED = [
  'listAuditEvents',
  'listReports',
  'listSessions',
  'listUsers',
  'readAuditEvent',
  'readDashboard',
  'readReport',
  'readReportBundle',
  'readReportEvidence',
];

type OpenApi = {
  readonly paths: Record<string, Record<string, { readonly operationId: string; readonly description?: string }>>;
};

test('these operations and no others may be answered by the read replica', () => {
  const { paths } = JSON.parse(read('docs/reference/openapi.json')) as OpenApi;
  const declared = Object.values(paths)
    .flatMap((path) => Object.values(path))
    .filter(({ description }) => description?.includes('A read replica may answer'))
    .map(({ operationId }) => operationId);
  expect(declared.sort()).toEqual(DECLARED);
});

test('the guide names each of them', () => {
  const { paths } = JSON.parse(read('docs/reference/openapi.json')) as OpenApi;
  const guide = read('docs/how-to/run-in-production.md');
  for (const [path, methods] of Object.entries(paths))
    for (const { operationId } of Object.values(methods))
      if (DECLARED.includes(operationId)) expect(guide).toContain(`\`${path}\``);
});

/** Files that may open the read replica, and why. */
const OPENERS: Readonly<Record<string, string>> = {
  'cli/audit/ports.ts': 'exports and reports of the sealed log',
  'cli/doctor/replica.ts': 'says whether it is used',
  'services/api/compose.ts': 'for operations that declare it',
  'services/platform/config/stores.ts': 'the setting',
  'services/platform/postgres/replica.ts': 'opens it',
};

const opens = (source: string): boolean => /\bopenReplica\b|\bdatabaseReplicaUrl\b|\bisReplica: true\b/.test(source);

test('nothing else opens it: revocations, families and keys are read from the primary alone', () => {
  const files = globSync('{services,cli,jobs}/**/*.ts', { cwd: ROOT })
    .filter((file) => !/(\.test|-harness)\.ts$/.test(file))
    .filter((file) => opens(read(file)));
  expect(files.sort()).toEqual(Object.keys(OPENERS));
  expect(opens(`createPool({ url: config.stores.databaseReplicaUrl })`)).toBe(true);
});
