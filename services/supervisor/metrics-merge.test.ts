import { expect, test } from 'vitest';
import { mergeMetrics } from './metrics-merge.ts';

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
