import { readdirSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { dashboards } from '#observability/dashboards/all.ts';
import type { MetricInfo } from '#observability/metrics/instruments.ts';
import { catalogue } from '#tools/catalog/metrics.ts';
import { collectEndpoints } from '../catalog/collect.ts';
import { readPromQuery, type Selector } from './promql.ts';

const root = resolve(import.meta.dirname, '../..');
const alertsFolder = join(root, 'observability/alerts');

type Rule = {
  alert?: string;
  record?: string;
  expr: string;
  labels?: Record<string, string>;
  annotations?: Record<string, string>;
};
type RuleFile = { groups: { name: string; rules: Rule[] }[] };
type TestFile = { rule_files: string[]; tests: { alert_rule_test?: { alertname: string; exp_alerts: unknown[] }[] }[] };

const filesOf = (suffix: string): string[] => readdirSync(alertsFolder).filter((file) => file.endsWith(suffix));
const readYaml = <T>(file: string): T => parse(readFileSync(join(alertsFolder, file), 'utf8')) as T;
const ruleFiles = filesOf('.yaml').filter((file) => !file.endsWith('.test.yaml'));
const rules = ruleFiles.flatMap((file) => readYaml<RuleFile>(file).groups.flatMap((group) => group.rules));
const alerts = rules.filter((rule) => rule.alert !== undefined);
const recorded = new Set(rules.flatMap((rule) => rule.record ?? []));

const panels = dashboards.flatMap((dashboard) =>
  dashboard.rows.flatMap((row) => row.panels.map((panel) => ({ dashboard: dashboard.uid, ...panel }))),
);
const queries = [
  ...panels.flatMap((panel) =>
    panel.queries.map(({ expr }) => ({ where: `${panel.dashboard}: ${panel.title}`, expr })),
  ),
  ...rules.map((rule) => ({ where: rule.alert ?? (rule.record as string), expr: rule.expr })),
];

/** Labels that Prometheus and the supervisor add to every series. */
const addedLabels = ['instance', 'job', 'process'];

/** The series names a metric is scraped under. */
function seriesNames({ name, kind }: MetricInfo): string[] {
  if (kind === 'counter') return [`${name}_total`];
  return kind === 'gauge' ? [name] : [`${name}_bucket`, `${name}_sum`, `${name}_count`];
}
const bySeries = new Map(catalogue().flatMap((metric) => seriesNames(metric).map((name) => [name, metric] as const)));

const routes = new Set((await collectEndpoints()).map(({ path }) => path));

/** The possible values of a label; null if they are unknown here. */
function valuesOf(metric: MetricInfo, label: string): readonly string[] | null {
  if (label === 'route') return [...routes];
  return metric.labels[label] ?? null;
}

function faultsOf({ metric, matchers }: Selector): string[] {
  if (recorded.has(metric)) return matchers.map(({ label }) => `recorded ${metric} has no label ${label}`);
  if (metric === 'up') return [];
  const info = bySeries.get(metric);
  if (info === undefined) return [`no metric ${metric}`];
  return matchers.flatMap(({ label, operator, value }) => {
    if (addedLabels.includes(label)) return [];
    if (label === 'le')
      return metric.endsWith('_bucket') && info.buckets.map(String).includes(value)
        ? []
        : [`${metric} has no le=${value}`];
    if (!(label in info.labels)) return [`${metric} has no label ${label}`];
    const values = valuesOf(info, label);
    if (values === null) return [];
    // Each alternative of a pattern must be able to match something.
    const wanted = operator.endsWith('~') ? value.split('|') : [value];
    return wanted
      .filter((each) => {
        const pattern = operator.endsWith('~') ? new RegExp(`^(?:${each})$`) : undefined;
        return ![...values, 'other'].some((known) => (pattern ? pattern.test(known) : known === each));
      })
      .map((each) => `${metric} never has ${label}=${each}`);
  });
}

describe('queries', () => {
  test('the dashboards and alerts contain queries', () => expect(queries.length).toBeGreaterThan(60));

  test.each(queries)('$where uses metrics, labels and values that exist', ({ expr }) => {
    const query = readPromQuery(expr);
    expect(query.errors).toEqual([]);
    expect(query.selectors.length).toBeGreaterThan(0);
    expect(query.selectors.flatMap(faultsOf)).toEqual([]);
    const known = new Set([
      ...addedLabels,
      'le',
      ...query.selectors.flatMap(({ metric }) => Object.keys(bySeries.get(metric)?.labels ?? {})),
    ]);
    expect(query.groupings.filter((label) => !known.has(label))).toEqual([]);
  });

  test('the check reports a query of a metric, label or value that does not exist', () => {
    const faults = (expr: string): string[] => readPromQuery(expr).selectors.flatMap(faultsOf);
    expect(faults('rate(sallyport_logins[5m])')).toEqual(['no metric sallyport_logins']);
    expect(faults('sallyport_logins_total{result="ok"}')).toEqual(['sallyport_logins_total has no label result']);
    expect(faults('sallyport_logins_total{outcome=~"ok|denied"}')).toEqual([
      'sallyport_logins_total never has outcome=denied',
    ]);
    expect(faults('http_server_request_duration_seconds_bucket{le="0.011"}')).toEqual([
      'http_server_request_duration_seconds_bucket has no le=0.011',
    ]);
    expect(faults('http_server_active_requests{route="/v1/nothing"}')).toHaveLength(1);
    expect(readPromQuery('sum by (route (x)').errors).not.toEqual([]);
  });
});

describe('dashboards', () => {
  test('are eight, and each panel has a unique title, a description, a unit and a query', () => {
    expect(new Set(dashboards.map(({ uid }) => uid)).size).toBe(8);
    for (const panel of panels) {
      expect(panel.description.length, panel.title).toBeGreaterThan(30);
      expect(panel.queries.length, panel.title).toBeGreaterThan(0);
    }
    for (const { uid } of dashboards) {
      const titles = panels.filter(({ dashboard }) => dashboard === uid).map(({ title }) => title);
      expect(new Set(titles).size, uid).toBe(titles.length);
    }
  });

  test('as committed, lead from every panel to traces and to logs', () => {
    for (const { uid } of dashboards) {
      const file = join(root, 'observability/dashboards', `${uid.replace('sallyport-', '')}.json`);
      const built = JSON.parse(readFileSync(file, 'utf8')) as {
        panels: {
          type: string;
          title: string;
          links?: { url: string }[];
          fieldConfig?: { defaults: { unit?: string } };
        }[];
      };
      for (const panel of built.panels.filter(({ type }) => type !== 'row')) {
        const urls = (panel.links ?? []).map(({ url }) => decodeURIComponent(url));
        expect(
          urls.some((url) => url.includes('"tempo"')),
          panel.title,
        ).toBe(true);
        expect(
          urls.some((url) => url.includes('"loki"')),
          panel.title,
        ).toBe(true);
        expect(panel.fieldConfig?.defaults.unit, panel.title).toBeTruthy();
      }
    }
  });
});

describe('alerts', () => {
  test.each(alerts)('$alert has a severity, a dashboard that exists and a runbook that says what to do', (rule) => {
    expect(rule.labels?.severity).toMatch(/^(page|ticket)$/);
    expect(rule.annotations?.summary).toBeTruthy();
    expect(rule.annotations?.description).toBeTruthy();
    const uid = /^\/d\/([\w-]+)$/.exec(rule.annotations?.dashboard_url ?? '')?.[1];
    expect(dashboards.map((dashboard) => dashboard.uid)).toContain(uid);
    expect(rule.annotations?.runbook_url).toBe(`docs/runbooks/${rule.alert}.md`);
    const runbook = readFileSync(join(root, `docs/runbooks/${rule.alert}.md`), 'utf8');
    expect(runbook.startsWith(`# ${rule.alert}\n`)).toBe(true);
    for (const part of ['Means', 'Confirm', 'Do', 'Do not']) expect(runbook).toContain(`\n## ${part}\n`);
  });

  test('each alert has tests in which it fires and does not fire', () => {
    const tested = filesOf('.test.yaml').flatMap((file) =>
      readYaml<TestFile>(file).tests.flatMap((each) => each.alert_rule_test ?? []),
    );
    const named = (fires: boolean): Set<string> =>
      new Set(tested.filter(({ exp_alerts }) => exp_alerts.length > 0 === fires).map(({ alertname }) => alertname));
    const names = alerts.map(({ alert }) => alert as string).sort();
    expect(new Set(names).size).toBe(names.length);
    expect([...named(true)].sort()).toEqual(names);
    const quiet = named(false);
    expect(names.filter((name) => !quiet.has(name))).toEqual([]);
  });

  test('every rule file has a test file, and every runbook has an alert', () => {
    expect(
      filesOf('.test.yaml')
        .map((file) => file.replace('.test.yaml', '.yaml'))
        .sort(),
    ).toEqual(ruleFiles.sort());
    const runbooks = readdirSync(join(root, 'docs/runbooks')).filter((file) => file !== 'README.md');
    expect(runbooks.sort()).toEqual(alerts.map(({ alert }) => `${alert}.md`).sort());
  });
});
