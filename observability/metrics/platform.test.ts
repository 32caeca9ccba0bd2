import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { showAlertsGivenUp } from './alerts.ts';
import { catalogue } from './catalogue.ts';
import { showHandoffsGivenUp } from './handoff.ts';
import { activeRequests, httpMetrics } from './http.ts';
import { registry } from './instruments.ts';
import { showMailsGivenUp } from './mail.ts';
import { showLogoutTokensGivenUp } from './oauth.ts';
import { watchProcess } from './process.ts';
import { renderPrometheus } from './prometheus.ts';
import { tokenValidations } from './tokens.ts';

// As the modules of the product do.
for (const file of globSync('*.ts', { cwd: import.meta.dirname, exclude: ['*.test.ts'] }))
  await import(join(import.meta.dirname, file));

const lines = () => renderPrometheus(registry.collect()).split('\n');

describe('the platform’s metrics', () => {
  it('every metric has a help text, and its name has a prefix or semantic convention and a unit', () => {
    const metrics = catalogue();
    expect(metrics.length).toBeGreaterThan(30);
    for (const { name, help, unit } of metrics) {
      expect(name).toMatch(/^(sallyport|http_server|process|nodejs|v8js)_/);
      expect(help).toMatch(/^[A-Z0-9].{10,}\.$/);
      if (unit === 's') expect(name).toMatch(/_seconds$/);
      if (unit === 'By') expect(name).toMatch(/_bytes$/);
    }
  });

  it('no label is named after a user, a client or a token', () => {
    const names = catalogue().flatMap((metric) => Object.keys(metric.labels));
    expect(names.filter((name) => /user|client|token|tenant|email|ip|address|session|path|url/.test(name))).toEqual([]);
  });

  it('the first event that an alert waits for is a step from an existing series at zero', () => {
    showMailsGivenUp();
    showLogoutTokensGivenUp();
    showHandoffsGivenUp();
    showAlertsGivenUp();
    const folder = join(import.meta.dirname, '../alerts');
    const rules = globSync('*.yaml', { cwd: folder, exclude: ['*.test.yaml'] })
      .map((name) => readFileSync(join(folder, name), 'utf8'))
      .join('\n');
    const watched = [
      ...rules.matchAll(/(?<!unless sum\()increase\((\w+)_total(?:\{([^}]+)\})?\[\w+\]\)\)? > 0(?!\.)/g),
    ];
    expect(watched.length).toBeGreaterThan(4);
    const metrics = registry.collect();
    for (const [, name, selector = ''] of watched) {
      const series = metrics.find((metric) => metric.name === name)?.series ?? [];
      const wanted = [...selector.matchAll(/(\w+)=~?"([^"]+)"/g)];
      const isWatched = (labels: Readonly<Record<string, string>>): boolean =>
        wanted.every(([, label = '', values]) => new RegExp(`^(${values})$`).test(labels[label] ?? ''));
      expect([name, series.some(({ labels }) => isWatched(labels))]).toEqual([name, true]);
    }
  });

  it('an inactive token is counted under its reason', () => {
    tokenValidations.add(1, { result: 'inactive', reason: 'key_compromised' });
    expect(lines()).toContain('sallyport_token_validations_total{result="inactive",reason="key_compromised"} 1');
  });

  it('10,000 random paths, methods and statuses give fewer than 2,000 series', () => {
    httpMetrics.registerRoutes(['/v1/tokens/validate', '/v1/tokens/:token_id']);
    const validate = httpMetrics.route('POST', '/v1/tokens/validate');
    validate.record(200, 0.0004);
    validate.record(200, 0.7, '0af7651916cd43dd8448eb211c80319c');
    validate.record(999, 0.1);
    for (let at = 0; at < 10_000; at += 1) {
      httpMetrics.unmatched(`M${at}`).record(404, 0.001);
      httpMetrics.unmatched('GET').record(404, 0.001);
      httpMetrics.route('GET', `/random/${at}`).record(at % 1_000, 0.001);
    }
    activeRequests.set(2);
    const text = lines();
    expect(text).toContain(
      'http_server_request_duration_seconds_count{method="POST",route="/v1/tokens/validate",status="200"} 2',
    );
    expect(text).toContain(
      'http_server_request_duration_seconds_count{method="POST",route="/v1/tokens/validate",status="other"} 1',
    );
    expect(text).toContain(
      'http_server_request_duration_seconds_count{method="other",route="other",status="404"} 10000',
    );
    expect(text).toContain('http_server_active_requests 2');
    expect(text.filter((line) => !line.startsWith('#')).length).toBeLessThan(2_000);
  });

  it('the process shows its memory, processor time, loop delay and collections', async () => {
    const stop = watchProcess();
    const collect = globalThis.gc ?? (() => new Array(50).fill(0).map(() => new Array(100_000).fill({})));
    await expect
      .poll(
        () => {
          collect();
          const text = lines().join('\n');
          return [
            /nodejs_eventloop_delay_seconds\{quantile="p99"\} \d/,
            /v8js_gc_duration_seconds_count\{[^}]+\} [1-9]/,
          ]
            .map((wanted) => wanted.test(text))
            .join();
        },
        { timeout: 15_000, interval: 100 },
      )
      .toBe('true,true');
    stop();
    const value = (name: string) =>
      Number(
        lines()
          .find((line) => line.startsWith(`${name} `) || line.startsWith(`${name}{`))
          ?.split(' ')[1],
      );
    expect(value('process_memory_usage_bytes')).toBeGreaterThan(10_000_000);
    expect(value('process_cpu_time_seconds_total{mode="user"}')).toBeGreaterThan(0);
    expect(value('nodejs_heap_bytes{state="limit"}')).toBeGreaterThan(value('nodejs_heap_bytes{state="used"}'));
    expect(value('nodejs_eventloop_utilization_ratio')).toBeLessThanOrEqual(1);
  });
});
