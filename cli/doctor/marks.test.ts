import { expect, test } from 'vitest';
import { marksResult } from './marks.ts';

const state = { incarnation: 'i1', epoch: 7, beat: 20, hosts: 1 };
const marks = { incarnation: 'i1', revocationEpoch: 7, beat: 20 };

test('a database at its high-water marks passes, on one machine with a file and on many with an object store', () => {
  expect(marksResult('file', marks, state)).toEqual({ result: 'pass', evidence: 'file, epoch 7, not behind' });
  expect(marksResult('s3', marks, { ...state, hosts: 3 })).toMatchObject({ result: 'pass' });
});

test('file marks on several machines are a warning: a machine without marks trusts any database', () =>
  expect(marksResult('file', marks, { ...state, hosts: 2 })).toMatchObject({
    result: 'warn',
    evidence: expect.stringContaining('2 addresses'),
    fix: expect.stringContaining('MARK_STORE=s3'),
  }));

test.each([
  ['its epoch', { ...marks, revocationEpoch: 8 }],
  ['its beat', { ...marks, beat: 21 }],
  ['another incarnation', { ...marks, incarnation: 'i2' }],
])('a database behind its high-water marks fails: %s', (_what, held) => {
  expect(marksResult('s3', held, state)).toMatchObject({
    result: 'fail',
    fix: expect.stringContaining('--accept-loss'),
  });
});

test('without high-water marks the result says that the database is trusted', () =>
  expect(marksResult('s3', null, state)).toMatchObject({
    result: 'warn',
    evidence: expect.stringContaining('none yet'),
  }));
