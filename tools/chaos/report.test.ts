import { expect, test } from 'vitest';
import { jsonOf, markdownOf, type Report } from './report.ts';

const impact = {
  ...{ answered: 90, unavailable: 7, failed: 0, unanswered: 3, validateMsP99: 4.2 },
  ...{ acknowledged: 12, lost: 0, tokenGapMs: 2_300 },
};
const report: Report = {
  seed: 42,
  seconds: 10,
  pace: 1,
  startedAt: '2026-11-23T00:00:00Z',
  stretch: 1.4,
  gates: [
    { name: 'wrong accepts', checked: 5, findings: [{ text: 'token-1 active', subject: { history: ['given'] } }] },
    { name: 'double successors', checked: 5, findings: [] },
    { name: 'forks', checked: 0, findings: [] },
    { name: 'answers of an older database', checked: 0, findings: [], excludedBy: '--faults' },
  ],
  faults: [{ name: 'kill-api', atSeconds: 3, detail: 'api of A', lastedMs: 900, backMs: 5_600, stretch: 3, impact }],
  counts: { refresh: 9 },
  footprints: {
    begin: { processes: { 'api of A': { rssMb: 181, descriptors: 61 } }, postgresConnections: 23 },
    end: { processes: { 'api of B': { rssMb: 192, descriptors: 62 } }, postgresConnections: 26 },
  },
};

test('a report names seed, gates, findings with the history of their family, and faults', () => {
  const text = markdownOf(report);
  for (const words of ['seed 42', '--seed 42', 'VIOLATED: 1', 'held', 'token-1 active', 'given', 'kill-api', '5.6 s'])
    expect(text).toContain(words);
  expect(JSON.parse(jsonOf(report)).gates[0]).toEqual({
    name: 'wrong accepts',
    checked: 5,
    findings: [{ text: 'token-1 active', history: ['given'] }],
  });
});

test('a report shows what each process took at both ends of the run', () => {
  const text = markdownOf(report);
  for (const line of ['| api of A | 181 | 61 | – | – |', '| api of B | – | – | 192 | 62 |', '23 before, 26 after'])
    expect(text).toContain(line);
});

test('a gate that checked nothing says so, and who left it without facts', () => {
  const text = markdownOf(report);
  expect(text).toContain('| forks | 0 | CHECKED NOTHING |');
  expect(text).toContain('| answers of an older database | 0 | excluded by --faults |');
});

test('a report says how busy the machine was, and how long a recovery could take for it', () => {
  const text = markdownOf(report);
  for (const words of ['1.4 times', '| 5.6 s | 15 s | 3.0 | 90, 7, 0, 3 | 4.2 ms | 12, 0 | 2.3 s |'])
    expect(text).toContain(words);
});
