import { beforeEach, expect, test } from 'vitest';
import { apiKeyNotAccepted, permissionMissing, requestInvalid, stepUpRequired } from '#services/platform/errors.ts';
import { clientCaller } from '#tools/testing/harness/ports.ts';
import { rightsExceeded } from '../authority/errors.ts';
import { createDenialLog, type RecordDenial } from './record-denial.ts';

const reads = {
  operation: 'readTokenStatistics',
  auth: { accepts: ['client'], permission: 'tokens:read', for: 'anyone', subject: 'none' },
} as const;
const creates = { operation: 'createApiKey', auth: { accepts: ['client'], for: 'anyone', subject: 'none' } } as const;

let rows: unknown[][];
let warnings: string[];
let isDown = false;
let nowMs = 0;
let record: RecordDenial;
beforeEach(() => {
  [rows, warnings, isDown, nowMs] = [[], [], false, 0];
  record = createDenialLog({
    sql: {
      query: async (_statement, values = []) => {
        if (isDown) throw new Error('down');
        rows.push([...values]);
        return [];
      },
    },
    clock: { now: () => nowMs, monotonic: () => nowMs },
    log: { debug: () => {}, info: () => {}, warn: (_fields, text) => void warnings.push(text), error: () => {} },
  });
});
const details = () => rows.map((row) => [row[4], JSON.parse(row[10] as string)]);

test('records one event per caller, code, permission and minute, with the code and the attempted operation', async () => {
  for (let attempt = 0; attempt < 20; attempt += 1) await record(clientCaller('a'), reads, permissionMissing());
  await record(clientCaller('a'), creates, rightsExceeded());
  await record(clientCaller('a'), creates, stepUpRequired());
  await record(clientCaller('a'), creates, apiKeyNotAccepted());
  await record(clientCaller('b'), { ...reads, auth: 'public' }, permissionMissing());
  expect(details()).toEqual([
    ['a', { code: 'permission_missing', permission: 'tokens:read', operation: 'readTokenStatistics' }],
    ['a', { code: 'rights_exceeded', operation: 'createApiKey' }],
    ['a', { code: 'step_up_required', operation: 'createApiKey' }],
    ['a', { code: 'api_key_not_accepted', operation: 'createApiKey' }],
    ['b', { code: 'permission_missing', operation: 'readTokenStatistics' }],
  ]);
  nowMs += 60_000;
  await record(clientCaller('a'), reads, permissionMissing());
  expect(rows).toHaveLength(6);
});

test('records nothing for other errors, or for a denial that its use-case already recorded', async () => {
  await record(clientCaller('a'), reads, requestInvalid());
  await record(clientCaller('a'), reads, permissionMissing({ isRecorded: true }));
  expect(rows).toEqual([]);
});

test('a denial that cannot be recorded is logged, never thrown, and the next one is recorded', async () => {
  isDown = true;
  await record(clientCaller('a'), reads, permissionMissing());
  expect(warnings).toEqual(['denial not recorded in the audit log']);
  isDown = false;
  await record(clientCaller('a'), reads, permissionMissing());
  expect(rows).toHaveLength(1);
});
