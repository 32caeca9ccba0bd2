import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, expect, onTestFinished, test } from 'vitest';
import { PROMETHEUS_CONTENT_TYPE } from '#observability/metrics/prometheus.ts';
import { type MetricsServer, serveMetrics } from '#observability/metrics/server.ts';
import { testFolder } from '#tools/testing/test-folder.ts';
import { mergeMetrics } from './metrics-merge.ts';
import { listenForMetrics } from './metrics-server.ts';

let server: Awaited<ReturnType<typeof listenForMetrics>>;
let url: string;
let scrapes = 0;

beforeAll(async () => {
  server = await listenForMetrics(0, [], {
    host: '127.0.0.1',
    sources: () => {
      scrapes += 1;
      return [];
    },
    restarts: () => new Map([['api-1', 2]]),
  });
  url = `http://127.0.0.1:${server.port}/metrics`;
});
afterAll(() => server.close());

test('HEAD answers the headers of GET and queries no process', async () => {
  const head = await fetch(url, { method: 'HEAD' });
  expect([head.status, head.headers.get('content-type')]).toEqual([200, PROMETHEUS_CONTENT_TYPE]);
  expect(scrapes).toBe(0);
  const answer = await fetch(url);
  expect([answer.status, answer.headers.get('content-type')]).toEqual([200, PROMETHEUS_CONTENT_TYPE]);
  expect(await answer.text()).toContain('sallyport_child_restarts_total{process="api-1"} 2\n');
  expect(scrapes).toBe(1);
});

test('another method is 405 with the allowed ones, another address 404', async () => {
  for (const method of ['POST', 'PUT', 'DELETE', 'OPTIONS']) {
    const refused = await fetch(url, { method });
    expect([method, refused.status, refused.headers.get('allow')]).toEqual([method, 405, 'GET, HEAD']);
  }
  expect((await fetch(url.replace('/metrics', '/'))).status).toBe(404);
});

let folder: string;
let open: { close(): Promise<void> }[];
beforeEach(() => {
  folder = testFolder(onTestFinished);
  open = [];
});
afterEach(async () => {
  for (const server of open) await server.close();
});

const socketOf = (process: string): string => join(folder, `${process}.sock`);
async function serve(process: string, health?: () => { ok: boolean; body: object }): Promise<MetricsServer> {
  const server = await serveMetrics({ socketPath: socketOf(process), ...(health ? { health } : {}) });
  open.push(server);
  return server;
}
async function listen(...processes: readonly string[]): Promise<(method?: string) => Promise<[number, unknown]>> {
  const sources = processes.map((process) => ({ process, socketPath: socketOf(process) }));
  const server = await listenForMetrics(0, [], {
    host: '127.0.0.1',
    sources: () => sources,
    restarts: () => new Map(),
  });
  open.push(server);
  return async (method = 'GET') => {
    const answer = await fetch(`http://127.0.0.1:${server.port}/healthz`, { method });
    return [answer.status, await answer.json().catch(() => null)];
  };
}

test('GET /healthz reports the health of each process: 200 while all are healthy, 503 with the reasons otherwise', async () => {
  let reasons: string[] = [];
  await serve('api-1');
  await serve('worker-1', () => ({ ok: true, body: { status: 'ok', reasons: [] } }));
  await serve('worker-2', () => ({
    ok: reasons.length === 0,
    body: { status: reasons.length === 0 ? 'ok' : 'stalled', reasons },
  }));
  const ask = await listen('api-1', 'worker-1', 'worker-2');
  // The API reports its health on its own port.
  const well = { status: 'ok', reasons: [] };
  expect(await ask()).toEqual([200, { status: 'ok', processes: { 'worker-1': well, 'worker-2': well } }]);
  reasons = ['mail: jobs wait and no worker takes them'];
  expect(await ask()).toEqual([
    503,
    { status: 'stalled', processes: { 'worker-1': well, 'worker-2': { status: 'stalled', reasons } } },
  ]);
  expect(await ask('HEAD')).toEqual([503, null]);
  expect((await ask('POST'))[0]).toBe(405);
});

test('a process that does not answer is named', async () => {
  await serve('worker-1', () => ({ ok: true, body: { status: 'ok', reasons: [] } }));
  const ask = await listen('worker-1', 'worker-2');
  expect(await ask()).toEqual([
    503,
    {
      status: 'stalled',
      processes: { 'worker-1': { status: 'ok', reasons: [] }, 'worker-2': { status: 'silent', reasons: [] } },
    },
  ]);
});

const one = `# HELP http_requests_total Requests.
# TYPE http_requests_total counter
http_requests_total{route="/a",text="brace } and \\"quote\\", process=x"} 3
# HELP wait_seconds Wait.
# TYPE wait_seconds histogram
wait_seconds_bucket{le="+Inf"} 2
wait_seconds_sum 0.5
wait_seconds_count 2
up 1
`;

test('each family has one HELP and TYPE, and every sample names its process', () => {
  const merged = mergeMetrics([
    { process: 'api-1', text: one },
    { process: 'api-2', text: one },
  ]);
  expect(merged).toBe(`# HELP http_requests_total Requests.
# TYPE http_requests_total counter
http_requests_total{process="api-1",route="/a",text="brace } and \\"quote\\", process=x"} 3
http_requests_total{process="api-2",route="/a",text="brace } and \\"quote\\", process=x"} 3
# HELP wait_seconds Wait.
# TYPE wait_seconds histogram
wait_seconds_bucket{process="api-1",le="+Inf"} 2
wait_seconds_sum{process="api-1"} 0.5
wait_seconds_count{process="api-1"} 2
wait_seconds_bucket{process="api-2",le="+Inf"} 2
wait_seconds_sum{process="api-2"} 0.5
wait_seconds_count{process="api-2"} 2
up{process="api-1"} 1
up{process="api-2"} 1
`);
});

test('the samples of a family that only the second process has stay together', () => {
  const merged = mergeMetrics([
    { process: 'api-1', text: 'a 1\nb 2\n' },
    { process: 'worker-1', text: '# TYPE c gauge\nc 3\na 4\n' },
  ]);
  expect(merged).toBe(
    'a{process="api-1"} 1\na{process="worker-1"} 4\nb{process="api-1"} 2\n# TYPE c gauge\nc{process="worker-1"} 3\n',
  );
});

test('a process label that a sample already has is kept under another name, never duplicated', () => {
  expect(mergeMetrics([{ process: 'api-1', text: 'a{process="own",b="process=1"} 1\n' }])).toBe(
    'a{process="api-1",exported_process="own",b="process=1"} 1\n',
  );
  expect(mergeMetrics([{ process: 'api-1', text: 'a{b="1",process="own"} 1\n' }])).toBe(
    'a{process="api-1",b="1",exported_process="own"} 1\n',
  );
});

test('lines that are not Prometheus text are dropped, and no text gives no text', () => {
  expect(mergeMetrics([{ process: 'api-1', text: '<html>\n\n# EOF\n{"a":1}\n' }])).toBe('');
  expect(mergeMetrics([])).toBe('');
});

test('values, timestamps and exemplars pass unchanged', () => {
  const text = 'a_bucket{le="0.5"} 4 1700000000000 # {trace_id="ab"} 0.3\nb NaN\nc -Inf\nd 1.5e-07\n';
  expect(mergeMetrics([{ process: 'p', text }])).toBe(
    'a_bucket{process="p",le="0.5"} 4 1700000000000 # {trace_id="ab"} 0.3\nb{process="p"} NaN\nc{process="p"} -Inf\nd{process="p"} 1.5e-07\n',
  );
});

test('OpenMetrics keeps its exemplars and its counters’ family names', () => {
  const text = `# HELP jobs Jobs.
# TYPE jobs counter
jobs_total 3
# TYPE wait_seconds histogram
wait_seconds_bucket{le="+Inf"} 2 # {trace_id="0af7"} 0.5 1763600000.5
# EOF
`;
  expect(mergeMetrics([{ process: 'api-1', text }])).toBe(`# HELP jobs Jobs.
# TYPE jobs counter
jobs_total{process="api-1"} 3
# TYPE wait_seconds histogram
wait_seconds_bucket{process="api-1",le="+Inf"} 2 # {trace_id="0af7"} 0.5 1763600000.5
`);
});
