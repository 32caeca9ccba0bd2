import { describe, expect, it } from 'vitest';
import { createRegistry } from './instruments.ts';
import { renderPrometheus } from './prometheus.ts';

const traceId = '0af7651916cd43dd8448eb211c80319c';

function sample() {
  const registry = createRegistry();
  registry.defineCounter({ name: 'logins', help: 'Sign-ins.', labels: { outcome: ['ok'] } }).add(3, { outcome: 'ok' });
  registry.defineGauge({ name: 'age_seconds', help: 'Age.' }).set(1.5);
  registry.defineGauge({ name: 'unset', help: 'Never set.' });
  const wait = registry.defineHistogram({ name: 'wait_seconds', help: 'Wait.', buckets: [0.1, 1] });
  wait.record(0.05);
  wait.at().record(0.5, traceId);
  wait.record(3);
  return registry.collect();
}

describe('Prometheus text', () => {
  it('is the text format 0.0.4: _total on counters, cumulative buckets ending in +Inf, sum and count', () =>
    expect(renderPrometheus(sample())).toBe(`# HELP age_seconds Age.
# TYPE age_seconds gauge
age_seconds 1.5
# HELP logins_total Sign-ins.
# TYPE logins_total counter
logins_total{outcome="ok"} 3
# HELP wait_seconds Wait.
# TYPE wait_seconds histogram
wait_seconds_bucket{le="0.1"} 1
wait_seconds_bucket{le="1"} 2
wait_seconds_bucket{le="+Inf"} 3
wait_seconds_sum 3.55
wait_seconds_count 3
`));

  it('shows exemplars, as OpenMetrics, only on request', () => {
    expect(renderPrometheus(sample())).not.toContain(traceId);
    const text = renderPrometheus(sample(), { exemplars: true });
    expect(text).toMatch(
      new RegExp(`wait_seconds_bucket\\{le="1"\\} 2 # \\{trace_id="${traceId}"\\} 0\\.5 \\d+\\.?\\d*\\n`),
    );
    expect(text).toContain('# TYPE logins counter\nlogins_total{outcome="ok"} 3\n');
    expect(text.endsWith('# EOF\n')).toBe(true);
  });

  it('a quote, a backslash or a line break in a label or help text cannot forge a sample', () => {
    const registry = createRegistry();
    registry.defineGauge({ name: 'g', help: 'one\ntwo \\' }).set(Number.POSITIVE_INFINITY);
    const text = renderPrometheus(registry.collect(), { constantLabels: { process: 'a"} 1\nforged 1\\' } });
    expect(text).toBe('# HELP g one\\ntwo \\\\\n# TYPE g gauge\ng{process="a\\"} 1\\nforged 1\\\\"} +Inf\n');
  });
});
