// About: observability/
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { parse } from 'yaml';
import { dashboards } from '#observability/dashboards/all.ts';
import { eventually } from '#tools/testing/eventually.ts';
import { type ProductHarness, startProductHarness } from '#tools/testing/harness/product.ts';
import { send } from '#tools/testing/http-client.ts';
import { checkDashboards, checkScrapes } from '../stack/checks.ts';
import { createChildren } from '../stack/children.ts';
import { smoke, smokeOfDefect, underSmoke } from '../stack/smoke.ts';
import { startPrometheus } from '../stack/telemetry.ts';
import { readPromQuery } from './promql.ts';

/** Metrics of dashboards and alerts without a series after a run without failures, each with the reason. */
const silentWhenWell: Readonly<Record<string, string>> = {
  sallyport_rate_limit_refusals_total: 'no client exceeds a limit',
  sallyport_replica_age_seconds: 'no replica is configured',
  sallyport_replica_reads_total: 'no replica is configured',
  sallyport_restore_drill_duration_seconds: 'a restore is rehearsed once a week',
  sallyport_siem_behind_events: 'no SIEM is configured',
  sallyport_siem_failing_targets: 'no SIEM is configured',
};

type RuleFile = { readonly groups: readonly { readonly rules: readonly { record?: string; expr: string }[] }[] };
const folder = resolve(import.meta.dirname, '../../observability/alerts');
const rules = readdirSync(folder)
  .filter((file) => file.endsWith('.yaml') && !file.endsWith('.test.yaml'))
  .flatMap((file) => (parse(readFileSync(join(folder, file), 'utf8')) as RuleFile).groups)
  .flatMap((group) => group.rules);
const panels = dashboards.flatMap(({ rows }) => rows.flatMap((row) => row.panels));
const exprs = [...rules.map(({ expr }) => expr), ...panels.flatMap(({ queries }) => queries.map(({ expr }) => expr))];
/** Metrics that Prometheus creates itself: recorded ones, and `up`. */
const own = new Set(['up', ...rules.flatMap(({ record }) => record ?? [])]);
const named = [...new Set(exprs.flatMap((expr) => readPromQuery(expr).selectors.map(({ metric }) => metric)))]
  .filter((metric) => !own.has(metric))
  .sort();

let harness: ProductHarness;
let prometheus: string;
const children = createChildren(() => undefined);
const ownFolder = mkdtempSync(join(tmpdir(), 'sallyport-scraped-'));
beforeAll(async () => {
  harness = await startProductHarness({ WORKER_COPIES: '1' });
  const { host } = new URL(harness.product.metrics);
  prometheus = await startPrometheus(children, ownFolder, { api: [host], worker: [], mcp: [] });
});
afterAll(async () => {
  await children.stop();
  await harness?.close();
  rmSync(ownFolder, { recursive: true, force: true });
});

test('every metric that a dashboard or an alert names has a series with a value in the scrape of a running product', async () => {
  expect(named.length).toBeGreaterThan(40);
  const { api, metrics, credentials } = harness.product;
  await smoke(api, credentials);
  await smokeOfDefect(api, credentials);
  let missing: string[] = [];
  await eventually('a series of each', async () => {
    const { text } = await send(metrics, 'GET', '');
    // A line is a name, perhaps labels, and a number.
    const scraped = new Set(
      [...text.matchAll(/^([a-z0-9_]+)(?:\{.*\})? -?(?:[\d.]+(?:e[+-]?\d+)?|\+Inf)$/gm)].map(([, name]) => name),
    );
    missing = named.filter((metric) => !scraped.has(metric));
    return missing.every((metric) => metric in silentWhenWell);
  }).catch(() => expect(missing, 'metrics without a series').toEqual(Object.keys(silentWhenWell)));
  // No reason may remain for a metric that has a series.
  expect(Object.keys(silentWhenWell).filter((metric) => !named.includes(metric))).toEqual([]);
});

test('every panel of every dashboard shows data, that of authentication too, and every rule is evaluated', async () => {
  const { api, credentials } = harness.product;
  await checkScrapes(prometheus, 1);
  const said = await underSmoke(api, credentials, () => checkDashboards(prometheus));
  expect(said).toMatch(/dashboard queries give data/);
});
