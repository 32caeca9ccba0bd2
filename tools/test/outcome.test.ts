import { expect, test } from 'vitest';
import { countLine, countReport, outcome } from './outcome.ts';

test('tests of the repository are counted apart from those of the product', () => {
  const result = (status: string) => ({ fullName: 'a', status });
  const file = (name: string) => ({
    name: `/here/${name}`,
    status: 'passed',
    assertionResults: [result('passed'), result('failed')],
  });
  const names = [
    'services/rule.test.ts',
    'tools/checks/names.test.ts',
    'tools/chaos/gates.test.ts',
    // They start the product.
    'tools/checks/cluster.all.test.ts',
    'tools/checks/first-day.integration.test.ts',
  ];
  const report = { numPassedTests: 5, numFailedTests: 5, numPendingTests: 1, testResults: names.map(file) };
  outcome.failures.length = 0;
  const before = { ...outcome.counts, ofRepository: outcome.ofRepository };
  countReport(report, '/here');
  expect(outcome.ofRepository - before.ofRepository).toBe(2);
  expect(outcome.counts.passed - before.passed).toBe(5);
  expect(outcome.failures.map((failure) => failure.split('\n')[0])).toEqual(names.map((name) => `FAILED ${name} › a`));
  expect(countLine({ passed: 5, failed: 5, skipped: 1 }, 2)).toBe(
    '5 passed, 5 failed, 1 skipped (of those passed: 3 about the product, 2 about the repository)',
  );
});
