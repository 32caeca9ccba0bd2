import { resolve } from 'node:path';
import { expect, test } from 'vitest';
import { FAILURES, type FailureRow, failuresPage, keptReports } from './failures-page.ts';
import { allFaults } from './faults/all.ts';
import { exclusionOf, readOptions, rewindsOf } from './options.ts';

const kept = keptReports(resolve(import.meta.dirname, 'results'));
const [first] = FAILURES as [FailureRow];
// A run of all faults, not one of a cluster or of a few.
const { file, report } = kept.find((each) => each.report.faults.some(({ name }) => name === first.fault))!;
const page = (changed: object, rows?: readonly FailureRow[]): string =>
  failuresPage([{ file, report: { ...report, ...changed } }], rows);
const row = { failure: 'moon gone', fault: 'no-moon', users: 'Nothing.' };

test('the table has at least fifteen failures, each with a fault that the suite has', () => {
  expect(FAILURES.length).toBeGreaterThanOrEqual(15);
  const known = [
    ...allFaults.map(({ name }) => name),
    ...rewindsOf({ faults: undefined, seconds: 600, hasCluster: false }),
  ];
  expect(FAILURES.map(({ fault }) => fault).filter((fault) => !known.includes(fault as never))).toEqual([]);
  const text = failuresPage(kept);
  for (const { failure } of FAILURES) expect(text).toContain(`| ${failure} |`);
});

test('a row without a case in the report is refused', () =>
  expect(() => failuresPage(kept, [...FAILURES, row])).toThrow(/"moon gone" has no case: .* did not run no-moon/));

test('a report that lost what it acknowledged, or did not look, is refused', () => {
  const gates = report.gates.map((gate) =>
    gate.name === 'wrong accepts' ? { ...gate, findings: [{ text: 'token-1 active' }] } : gate,
  );
  expect(() => page({ gates }, [first])).toThrow('violates "wrong accepts"');
  expect(() => page({ gates: [] }, [first])).toThrow('has no gate');
});

test('the worst of several runs of a fault counts, and a gate that did not hold is named', () => {
  const [run] = report.faults;
  const impact = { ...run!.impact, tokenGapMs: 123_400, lost: 7, validateMsP99: null };
  const faults = [run!, { ...run!, impact }];
  const rows = [{ ...row, fault: run!.name }];
  const gates = [...report.gates, { name: 'moon', checked: 1, findings: [{ text: 'gone' }] }];
  const text = page({ faults, gates }, rows);
  for (const words of [`\`${run!.name}\` × 2`, '123.4 s', '7 of', 'moon)']) expect(text).toContain(words);
  expect(page({ faults: [{ ...run!, impact }] }, rows)).toContain('none answered');
  expect(page({ faults: [...faults, ...faults, run!] }, rows)).toContain('123.4 s (median');
});

test('each row is of the newest report that has its fault, and the page says how each run is repeated', () => {
  const [run] = report.faults;
  const newer = { ...report, seed: 77, hasCluster: true, times: 1, faults: [{ ...run!, name: 'kill-primary' }] };
  const rows = [first, { ...row, fault: 'kill-primary' }];
  const text = failuresPage(
    [
      { file: 'newer.json', report: newer },
      { file, report },
    ],
    rows,
  );
  for (const part of ['--seed 77', '--stores patroni --times 1', `tools/chaos/results/${file}`])
    expect(text).toContain(part);
});

test('a run of chosen faults is repeated with them, and a fault without refusals has a dash', () => {
  const [run] = report.faults;
  const { refusalMsP99: _, ...impact } = run!.impact;
  const rows = [{ ...row, fault: run!.name }];
  const text = page({ times: 2, hasCases: false, faults: [{ ...run!, impact }] }, rows);
  expect(text).toContain(` --times 2 --faults ${run!.name} --cases no`);
  const both = [
    { ...run!, impact: { ...impact, refusalMsP99: 912 } },
    { ...run!, name: 'no-moon', impact },
  ];
  const measured = page({ faults: both }, [...rows, row]);
  for (const words of [' ms | 0.9 s | ', ' ms | – | ']) expect(measured).toContain(words);
});

test('a seed is drawn where none is given', () => {
  expect(readOptions([])?.seed).toBeGreaterThanOrEqual(0);
  expect(readOptions(['--seed', '7', '--seconds', '5', '--faults', 'kill-api,older-database'])).toMatchObject({
    seed: 7,
    seconds: 5,
    faults: ['kill-api', 'older-database'],
  });
  expect(readOptions(['--faults', 'none'])?.faults).toEqual([]);
  expect(readOptions(['--help'])).toBeUndefined();
});

test.each([
  [['--faults', 'kill-everything']],
  [['--seconds', 'soon']],
  [['--seed', '-1']],
  [['--cases', 'some']],
  [['--unknown']],
])('refuses %j', (args) => expect(() => readOptions(args)).toThrow());

test('an older database ends every run, and standbys that lag end a long one', () => {
  expect(rewindsOf({ faults: undefined, seconds: 10, hasCluster: false })).toEqual(['older-database']);
  expect(rewindsOf({ faults: undefined, seconds: 600, hasCluster: false })).toHaveLength(3);
  expect(rewindsOf({ faults: ['kill-api', 'lagging-standby'], seconds: 600, hasCluster: false })).toEqual([
    'lagging-standby',
  ]);
  expect(rewindsOf({ faults: [], seconds: 600, hasCluster: false })).toEqual([]);
});

test.each([
  ['answers of an older database', ['kill-api'], '--faults'],
  ['answers of an older database', undefined, undefined],
  ['recovery after every fault', [], '--faults'],
  ['recovery after every fault', ['kill-api'], undefined],
  ['wrong accepts', [], undefined],
])('only options chosen by name excuse %s without facts', (gate, faults, excludedBy) => {
  expect(exclusionOf(gate, { faults, seconds: 10, hasCluster: false }).excludedBy).toBe(excludedBy);
});
