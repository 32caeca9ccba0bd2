import { expect, test } from 'vitest';
import { failuresOf } from './failed-tests.ts';

const passed = { fullName: 'adds', status: 'passed', failureMessages: [] };

test('a failed test is reported with its file, its name and the first lines of its message', () => {
  const why = ['Error: expected 3', ...Array.from({ length: 40 }, (_, line) => `    at line ${line}`)].join('\n');
  const [failure, ...others] = failuresOf(
    {
      testResults: [
        {
          name: '/here/sum.test.ts',
          status: 'failed',
          assertionResults: [passed, { fullName: 'sums subtracts', status: 'failed', failureMessages: [why] }],
        },
      ],
    },
    '/here',
  );
  expect(others).toEqual([]);
  expect(failure?.split('\n').slice(0, 2)).toEqual(['sum.test.ts › sums subtracts', '    Error: expected 3']);
  expect(failure?.split('\n')).toHaveLength(13);
});

test('a file that failed outside its tests is reported with its message', () => {
  const file = { name: '/here/sum.test.ts', status: 'failed', message: 'no database', assertionResults: [passed] };
  expect(failuresOf({ testResults: [file] }, '/here')).toEqual(['sum.test.ts\n    no database']);
  expect(failuresOf({ testResults: [{ ...file, message: undefined }] }, '/here')).toEqual(['sum.test.ts\n    ']);
});

test('passed tests and a missing report are not reported', () => {
  const file = { name: '/here/sum.test.ts', status: 'passed', assertionResults: [passed] };
  expect(failuresOf({ testResults: [file] }, '/here')).toEqual([]);
  expect(failuresOf({}, '/here')).toEqual([]);
});
