import { expect, test } from 'vitest';
import { judgeMarks } from './marks.ts';

const state = { incarnation: 'i1', epoch: 7, beat: 20, hosts: 1 };
const marks = { incarnation: 'i1', revocationEpoch: 7, beat: 20 };

test('a database at its marks passes, on one machine with a file and on many with an object store', () => {
  expect(judgeMarks('file', marks, state)).toEqual({ result: 'pass', evidence: 'file, epoch 7, not behind' });
  expect(judgeMarks('s3', marks, { ...state, hosts: 3 })).toMatchObject({ result: 'pass' });
});

test('file marks of several machines are a warning: one that has none believes any database', () => {
  expect(judgeMarks('file', marks, { ...state, hosts: 2 })).toMatchObject({
    result: 'warn',
    evidence: expect.stringContaining('2 addresses'),
    fix: expect.stringContaining('MARK_STORE=s3'),
  });
});

test.each([
  ['its epoch', { ...marks, revocationEpoch: 8 }],
  ['its beat', { ...marks, beat: 21 }],
  ['another incarnation', { ...marks, incarnation: 'i2' }],
])('a database behind its marks fails: %s', (_what, held) => {
  expect(judgeMarks('s3', held, state)).toMatchObject({
    result: 'fail',
    fix: expect.stringContaining('--accept-loss'),
  });
});

test('without marks the database is trusted, which is said', () => {
  expect(judgeMarks('s3', null, state)).toMatchObject({
    result: 'warn',
    evidence: expect.stringContaining('none yet'),
  });
});
