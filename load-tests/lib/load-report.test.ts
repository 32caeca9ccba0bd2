import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { type LoadRun, saveLoadReport } from './load-report.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'sallyport-load-report-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const check = (name: string, passes: number, fails: number) => ({ name, passes, fails });
const summary = ({ isFast = true, count = 5, checks = [check('a token is active', 5, 0)] } = {}) => ({
  metrics: {
    'http_req_duration{op:validate}': {
      type: 'trend',
      values: { 'p(99)': 3, count },
      thresholds: { 'p(99)<50': { ok: isFast }, 'max>=0': { ok: true } },
    },
  },
  root_group: { checks: [], groups: [{ checks, groups: [] }] },
  state: { testRunDurationMs: 20_000 },
});
const run: LoadRun = {
  scenario: 'validate',
  suite: 'testTokenPerformance',
  profile: 'smoke',
  target: 'http://127.0.0.1:1',
  startedAt: new Date('2026-01-01T00:00:00Z'),
  k6Version: 'v1',
  k6Status: 0,
  isThresholdStatus: false,
  operations: {
    validate: {
      latency: { count: 5, meanMs: 1, p50Ms: 1, p90Ms: 2, p95Ms: 2, p99Ms: 3, p999Ms: 3, maxMs: 3 },
      intervals: [
        { second: 0, count: 3, p50Ms: 1, p99Ms: 3 },
        { second: 1, count: 2, p50Ms: 1, p99Ms: 2 },
      ],
      codes: { '200': 5, '503 <overloaded>': 1 },
    },
  },
  codes: { '200': [{ second: 0, count: 5 }], '503 <overloaded>': [{ second: 1, count: 1 }] },
  clientP99Ms: 3,
  dropped: 0,
  watched: {
    processes: { api: [{ second: 1, cores: 0.5, memoryMb: 90 }] },
    ages: [{ second: 3, queueSeconds: 0.1, outboxSeconds: 0.2 }],
    incidents: [],
    serverP99Ms: 2.5,
    busiestLoop: 0.4,
  },
  users: 0,
};
function save(changes: Partial<LoadRun> = {}, of: object | null = summary()) {
  const file = join(folder, 'summary.json');
  if (of !== null) writeFileSync(file, JSON.stringify(of));
  const { result, files } = saveLoadReport(join(folder, 'run'), file, { ...run, ...changes });
  const read = (suffix: string): string => readFileSync(join(folder, `run.${suffix}`), 'utf8');
  return { result, files, read };
}

test('writes JSON, JUnit, Markdown and one HTML page that loads nothing and runs nothing', () => {
  const { result, files, read } = save();
  expect(result.passed).toBe(true);
  expect(files).toHaveLength(4);
  expect(JSON.parse(read('json')).result).toEqual(JSON.parse(JSON.stringify(result)));
  expect(existsSync(join(folder, 'summary.json'))).toBe(false);
  expect(read('xml')).toContain('<testsuite name="testTokenPerformance: validate (smoke)" tests="3" failures="0"');
  expect(read('md')).toContain('| validate | 5 |');
  const page = read('html');
  expect(page.match(/<svg /g)).toHaveLength(7);
  expect(page).not.toMatch(/<script|<link|src=|href=|https?:\/\/(?!127)/);
  expect(page).toContain('503 &lt;overloaded&gt; × 1');
});

test('an operation without requests fails the run, although k6 passes its thresholds', () => {
  const { result, read } = save({}, summary({ count: 0 }));
  expect(result.passed).toBe(false);
  expect(read('xml')).toContain('<failure message="not measured"/>');
});

test('a crossed threshold, a failed check and a check that never ran each fail the run', () => {
  expect(save({}, summary({ isFast: false })).result).toMatchObject({ passed: false, diagnosis: { slow: 'product' } });
  expect(save({}, summary({ checks: [check('a token is active', 4, 1)] })).result.passed).toBe(false);
  const { result, read } = save({}, summary({ checks: [check('a token is active', 0, 0)] }));
  expect(result.passed).toBe(false);
  expect(read('xml')).toContain('<failure message="0 of 0"/>');
});

test('a product that ended during the run is named in every report, and the run fails', () => {
  const incident = 'the product ended (SIGKILL), 7 s after the start of the run';
  const { result, read } = save({ watched: { ...run.watched, incidents: [incident] } });
  expect(result.passed).toBe(false);
  for (const suffix of ['json', 'xml', 'md', 'html']) expect(read(suffix)).toContain('the product ended (SIGKILL)');
});

test('without a summary of k6 the samples are still reported, and the run fails', () => {
  const { result, read } = save({ k6Status: 137 }, null);
  expect(result).toMatchObject({ passed: false, incidents: ['k6 ended with exit code 137 and left no summary'] });
  expect(read('md')).toContain('| validate | 5 |');
});

test('memory that grows by more than 3 % after minute five fails a run of ten minutes or more; a shorter run is too short to say', () => {
  const grown = (factor: number, seconds: number) => {
    const api = Array.from({ length: seconds }, (_, second) => ({
      second,
      cores: 1,
      memoryMb: 100 * (second > seconds - 100 ? factor : 1),
    }));
    return save({ watched: { ...run.watched, processes: { api } } }).result.passed;
  };
  expect(grown(1.02, 900)).toBe(true);
  expect(grown(1.04, 900)).toBe(false);
  expect(grown(1.04, 300)).toBe(true);
});
