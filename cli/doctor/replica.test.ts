import { expect, test } from 'vitest';
import { replicaResult } from './replica.ts';

const facts = { isStandby: true, incarnation: 'x', asOf: '2026-11-25T10:00:00.000Z', ageMs: 900 };

test('a standby that keeps up passes; one that is behind, or has replayed nothing, is warned about', () => {
  expect(replicaResult(facts, 60)).toEqual({ result: 'pass', evidence: 'a standby, 1 s behind' });
  expect(replicaResult({ ...facts, ageMs: 61_000 }, 60)).toMatchObject({
    result: 'warn',
    evidence: 'a standby, 61 s behind, more than 60 s: its reads go to the primary',
  });
  expect(replicaResult({ ...facts, ageMs: null }, 60)).toMatchObject({ result: 'warn' });
});

test('a server that is no standby fails', () => {
  for (const other of [undefined, { ...facts, isStandby: false }])
    expect(replicaResult(other, 60)).toMatchObject({ result: 'fail' });
});
