import { resolve } from 'node:path';
import { expect, test } from 'vitest';
import { FAILURES, failuresPage, newestReport } from './failures-page.ts';
import { allFaults } from './faults/all.ts';
import { rewindsOf } from './options.ts';

const { file, report } = newestReport(resolve(import.meta.dirname, 'results'));
const row = { failure: 'moon gone', fault: 'no-moon', users: 'Nothing.' };

test('the table has at least fifteen failures, each with a fault that the suite has', () => {
  expect(FAILURES.length).toBeGreaterThanOrEqual(15);
  const known = [...allFaults.map(({ name }) => name), ...rewindsOf({ faults: undefined, seconds: 600 })];
  expect(FAILURES.map(({ fault }) => fault).filter((fault) => !known.includes(fault as never))).toEqual([]);
  const page = failuresPage(file, report);
  for (const { failure } of FAILURES) expect(page).toContain(`| ${failure} |`);
});

test('a row without a case in the report is refused', () => {
  expect(() => failuresPage(file, report, [...FAILURES, row])).toThrow(
    /"moon gone" has no case: .* did not run no-moon/,
  );
});

test('a report that lost what it acknowledged, or did not look, is refused', () => {
  const gates = report.gates.map((gate) =>
    gate.name === 'wrong accepts' ? { ...gate, findings: [{ text: 'token-1 active' }] } : gate,
  );
  expect(() => failuresPage(file, { ...report, gates })).toThrow('violates "wrong accepts"');
  expect(() => failuresPage(file, { ...report, gates: [] })).toThrow('has no gate');
});

test('the worst of several runs of a fault counts, and a gate that did not hold is named', () => {
  const [first] = report.faults;
  const impact = { ...first!.impact, tokenGapMs: 123_400, lost: 7, validateMsP99: null };
  const faults = [first!, { ...first!, impact }];
  const rows = [{ ...row, fault: first!.name }];
  const gates = [...report.gates, { name: 'moon', checked: 1, findings: [{ text: 'gone' }] }];
  const page = failuresPage(file, { ...report, faults, gates }, rows);
  for (const words of [`\`${first!.name}\` × 2`, '123.4 s', '7 of', 'moon)']) expect(page).toContain(words);
  expect(failuresPage(file, { ...report, faults: [{ ...first!, impact }] }, rows)).toContain('none answered');
});
