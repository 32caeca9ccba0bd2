import { globSync, readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { expect, test } from 'vitest';
import { openApiOf } from '#services/platform/http/openapi.ts';
import { collectEndpoints } from '../catalog/collect.ts';

const ROOT = resolve(import.meta.dirname, '../..');
const read = (file: string): string => readFileSync(resolve(ROOT, file), 'utf8');

type Operation = { readonly operationId: string; readonly description?: string };

/** What a read replica may answer. Nothing decides by it: neither a process nor a person who needs what is true now. */
const DECLARED = `listAuditEvents listReports listSessions listUsers readAuditEvent readDashboard readReport
  readReportBundle readReportEvidence`.split(/\s+/);

test('these operations and no others may be answered by the read replica, and their descriptions say so', async () => {
  const endpoints = await collectEndpoints();
  const declared = endpoints.filter(({ reads }) => reads === 'replica').map(({ operation }) => operation);
  expect(declared.sort()).toEqual(DECLARED);
  const { paths } = openApiOf(endpoints, '0') as { paths: Record<string, Record<string, Operation>> };
  const described = Object.values(paths)
    .flatMap((path) => Object.values(path))
    .filter(({ description }) => description?.includes('A read replica may answer'));
  expect(described.map(({ operationId }) => operationId).sort()).toEqual(DECLARED);
});

test('the guide names each of them', async () => {
  const guide = read('docs/how-to/run-in-production.md');
  for (const { operation, path } of await collectEndpoints())
    if (DECLARED.includes(operation)) expect(guide).toContain(`\`${path}\``);
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
