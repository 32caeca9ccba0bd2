import { spawn } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { PerformanceResult } from './lib/load-report.ts';
import { scenarios } from './lib/scenarios.ts';

/** Every k6 scenario for two seconds at a low rate, on one start of the product: what they check, not how fast it is. */

const K6_MISSING = 3;
/** Building k6 takes minutes, once for each machine. */
const LONGEST_MS = 900_000;

let folder: string;
let ended: { readonly code: number | null; readonly output: string };
let results: Map<string, PerformanceResult>;
/** An OpenTelemetry endpoint, and what it was sent. */
let collector: Server;
let exported = '';

function runAll(): Promise<typeof ended> {
  const otlp = `http://127.0.0.1:${(collector.address() as AddressInfo).port}/otlp/v1/metrics`;
  const args = ['load-tests/run.ts', 'all', '--profile', 'ci', '--parallel', '4', '--results', folder, '--otlp', otlp];
  const child = spawn(process.execPath, args, {
    cwd: resolve(import.meta.dirname, '..'),
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  for (const stream of [child.stdout, child.stderr])
    stream.on('data', (part: Buffer) => {
      output += part;
    });
  return new Promise((done, fail) => {
    child.once('error', fail).once('close', (code) => done({ code, output }));
  });
}

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'sallyport-scenarios-'));
  collector = createServer(async (request, response) => {
    for await (const part of request) if (request.url === '/otlp/v1/metrics') exported += String(part);
    response.end();
  });
  await new Promise<void>((done) => collector.listen(0, '127.0.0.1', done));
  ended = await runAll();
  if (ended.code === K6_MISSING) console.warn(`The tests of the k6 scenarios are skipped:\n${ended.output}`);
  results = new Map(
    readdirSync(folder)
      .filter((file) => file.endsWith('.json'))
      .map((file) => JSON.parse(readFileSync(join(folder, file), 'utf8')) as PerformanceResult)
      .map((result) => [result.scenario, result]),
  );
}, LONGEST_MS);
afterAll(() => {
  collector.close();
  rmSync(folder, { recursive: true, force: true });
});

test.for(Object.keys(scenarios))('the k6 scenario %s passes all its checks', (name, { skip }) => {
  skip(ended.code === K6_MISSING, ended.output);
  const result = results.get(name);
  expect(result, ended.output).toBeDefined();
  expect(result?.cases.filter(({ passed }) => !passed)).toEqual([]);
  expect(result?.passed).toBe(true);
});

test('the run of all scenarios exits 0', ({ skip }) => {
  skip(ended.code === K6_MISSING, ended.output);
  expect(ended.code, ended.output).toBe(0);
});

test('the metrics of k6 arrive at the OpenTelemetry endpoint', ({ skip }) => {
  skip(ended.code === K6_MISSING, ended.output);
  expect(exported).toContain('k6_http_req_duration');
  expect(exported).toContain('sallyport-load');
});
