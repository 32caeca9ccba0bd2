import { beforeEach, expect, test } from 'vitest';
import { apiKeyNotAccepted, permissionMissing, requestInvalid, stepUpRequired } from '#services/platform/errors.ts';
import { clientCaller } from '#testing/harness/ports.ts';
import { rightsExceeded } from './errors.ts';
import { createDenialLog, type RecordDenial } from './record-denial.ts';

const reads = { operation: 'readTokenStatistics', auth: { accepts: ['client'], permission: 'tokens:read' } } as const;
const own = { operation: 'createApiKey', auth: { accepts: ['client'] } } as const;

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

test('each caller, code and permission is an event once a minute, with the code and what was tried', async () => {
  for (let turn = 0; turn < 20; turn += 1) await record(clientCaller('a'), reads, permissionMissing());
  await record(clientCaller('a'), own, rightsExceeded());
  await record(clientCaller('a'), own, stepUpRequired());
  await record(clientCaller('a'), own, apiKeyNotAccepted());
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

test('what is no denial, or was recorded by its use-case, is no event', async () => {
  await record(clientCaller('a'), reads, requestInvalid());
  await record(clientCaller('a'), reads, permissionMissing({ isRecorded: true }));
  expect(rows).toEqual([]);
});

test('a refusal that cannot be written is said, stands, and is written with the next', async () => {
  isDown = true;
  await record(clientCaller('a'), reads, permissionMissing());
  expect(warnings).toEqual(['a refusal could not be recorded']);
  isDown = false;
  await record(clientCaller('a'), reads, permissionMissing());
  expect(rows).toHaveLength(1);
});
