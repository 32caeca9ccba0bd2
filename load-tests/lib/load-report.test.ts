import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeEach, expect, onTestFinished, test } from 'vitest';
import { testFolder } from '#tools/testing/test-folder.ts';
import { isMet } from './figure.ts';
import {
  figuresOf,
  type LoadRun,
  type PerformanceResult,
  performanceResult,
  textTable,
  wrongCases,
} from './load-report.ts';

let folder: string;
beforeEach(() => {
  folder = testFolder(onTestFinished);
});

const check = (name: string, passes: number, fails: number) => ({ name, passes, fails });
const summary = ({ isFast = true, count = 5, dropped = 0, checks = [check('a token is active', 5, 0)] } = {}) => ({
  metrics: {
    'http_req_duration{op:validate}': {
      type: 'trend',
      values: { avg: 1, med: 0.5, 'p(95)': 2, 'p(99)': 3, max: 4, count },
      thresholds: { 'p(99)<50': { ok: isFast }, 'max>=0': { ok: true } },
    },
    http_req_duration: { type: 'trend', values: { 'p(99)': 3 } },
    dropped_iterations: { type: 'counter', values: { count: dropped } },
  },
  root_group: { checks: [], groups: [{ checks, groups: [] }] },
  state: { testRunDurationMs: 20_000 },
});
const run: LoadRun = {
  scenario: 'validate',
  suite: 'testTokenPerformance',
  profile: 'smoke',
  target: 'http://127.0.0.1:1',
  run: {
    date: '2026-01-01T00:00:00Z',
    commit: 'abc',
    command: 'npm run load -- validate',
    machine: { cpu: 'CPU', cores: 2, memoryGb: 8, kernel: '6' },
    versions: { k6: 'v1' },
    loadAverage: { before: 1, after: 2 },
  },
  summaryFile: '',
  k6Status: 0,
  isThresholdStatus: false,
  watched: {
    processes: { api: [{ second: 1, cores: 0.5, memoryMb: 90 }] },
    ages: [{ second: 3, queueSeconds: 0.1, outboxSeconds: 0.2 }],
    incidents: [],
    serverP99Ms: 2.5,
    busiestLoop: 0.4,
  },
  users: 0,
};
function resultOf(changes: Partial<LoadRun> = {}, of: object | null = summary()) {
  const summaryFile = join(folder, 'summary.json');
  if (of !== null) writeFileSync(summaryFile, JSON.stringify(of));
  return performanceResult({ ...run, summaryFile, ...changes });
}
const caseOf = (result: PerformanceResult, name: string) => result.cases.find((each) => each.name === name);

test('a run that met everything passes; its operations have latencies and their answers by code', () => {
  const checks = [check('a token is active', 5, 0), check('validate: 200', 4, 0), check('validate: 503 busy', 1, 0)];
  const result = resultOf({}, summary({ checks }));
  expect(result).toMatchObject({ passed: true, dropped_iterations: 0, seconds: 20 });
  expect(result.operations.validate).toEqual({
    latency: { count: 5, meanMs: 1, p50Ms: 0.5, p95Ms: 2, p99Ms: 3, maxMs: 4 },
    codes: { '200': 4, '503 busy': 1 },
  });
});

test('rare refusals for now are no wrong answers; many are, and so is one without Retry-After', () => {
  const wrongOf = (refused: string, times: number) =>
    wrongCases(resultOf({}, summary({ checks: [check('validate: 200', 100, 0), check(refused, 0, times)] }))).length;
  expect(wrongOf('validate: 503 request_stale', 1)).toBe(0);
  expect(wrongOf('validate: 503 request_stale', 2)).toBe(1);
  expect(wrongOf('validate: 503 request_stale without Retry-After', 1)).toBe(1);
  expect(wrongOf('validate: 500 internal_error', 1)).toBe(1);
});

test('an operation without requests fails the run, although k6 passes its thresholds', () => {
  const result = resultOf({}, summary({ count: 0 }));
  expect(result).toMatchObject({ passed: false, operations: {} });
  expect(caseOf(result, 'http_req_duration{op:validate}')).toMatchObject({ passed: false, note: 'not measured' });
});

test('a crossed threshold, a failed check and a check that never ran each fail the run', () => {
  expect(resultOf({}, summary({ isFast: false }))).toMatchObject({ passed: false, diagnosis: { slow: 'product' } });
  expect(resultOf({}, summary({ checks: [check('a token is active', 4, 1)] })).passed).toBe(false);
  const result = resultOf({}, summary({ checks: [check('a token is active', 0, 0)] }));
  expect(caseOf(result, 'a token is active')).toMatchObject({ passed: false, note: '0 of 0' });
});

test('a product that ended during the run is named, and the run fails', () => {
  const incident = 'the product ended (SIGKILL), 7 s after the start of the run';
  const result = resultOf({ watched: { ...run.watched, incidents: [incident] } });
  expect(result.passed).toBe(false);
  expect(textTable(result)).toContain(`INCIDENT: ${incident}`);
});

test('a run without a summary of k6 fails, and says so', () => {
  const result = resultOf({ k6Status: 137 }, null);
  expect(result).toMatchObject({ passed: false, incidents: ['k6 ended with exit code 137 and left no summary'] });
});

test('its figures are the latencies, held to what the requirements ask, and dropped requests and failed checks as missed targets', () => {
  const failed = summary({ isFast: false, dropped: 2 });
  const figures = figuresOf(resultOf({ users: 100 }, failed));
  expect(figures.map((figure) => [figure.name, figure.value, isMet(figure)])).toEqual([
    ['validate, average', 1, undefined],
    ['validate, p99', 3, true],
    ['dropped requests', 2, false],
    ['failed limits and checks', 1, false],
  ]);
  expect(figures[1]?.detail).toBe('0.3 requests a second; p50 0.50 ms, p95 2.00 ms');
  expect(figures[3]?.detail).toBe('http_req_duration{op:validate}: p(99)<50');
});

test('memory that grows by more than 3 % after minute five fails a run of ten minutes or more; a shorter run is too short to say', () => {
  const grown = (factor: number, seconds: number) => {
    const api = Array.from({ length: seconds }, (_, second) => ({
      second,
      cores: 1,
      memoryMb: 100 * (second > seconds - 100 ? factor : 1),
    }));
    return resultOf({ watched: { ...run.watched, processes: { api } } }).passed;
  };
  expect([grown(1.02, 900), grown(1.04, 900), grown(1.04, 300)]).toEqual([true, false, true]);
});
