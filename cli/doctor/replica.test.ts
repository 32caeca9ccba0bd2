import { expect, test } from 'vitest';
import { replicaResult } from './replica.ts';

const facts = { is_standby: true, incarnation: 'x', as_of: '2026-11-25T10:00:00.000Z', age_ms: 900 };

test('a standby that keeps up passes; one that is behind, or has replayed nothing, is warned about', () => {
  expect(replicaResult(facts, 60)).toEqual({ result: 'pass', evidence: 'a standby, 1 s behind' });
  expect(replicaResult({ ...facts, age_ms: 61_000 }, 60)).toMatchObject({
    result: 'warn',
    evidence: 'a standby, 61 s behind, more than 60 s: its reads go to the primary',
  });
  expect(replicaResult({ ...facts, age_ms: null }, 60)).toMatchObject({ result: 'warn' });
});

test('a server that is no standby fails', () => {
  for (const other of [undefined, { ...facts, is_standby: false }])
    expect(replicaResult(other, 60)).toMatchObject({ result: 'fail' });
});
