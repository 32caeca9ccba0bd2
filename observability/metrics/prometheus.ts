import type { CollectedMetric, Exemplar, SeriesSnapshot } from './instruments.ts';

export const PROMETHEUS_CONTENT_TYPE = 'text/plain; version=0.0.4; charset=utf-8';
export const OPEN_METRICS_CONTENT_TYPE = 'application/openmetrics-text; version=1.0.0; charset=utf-8';

export type RenderOptions = {
  /** Labels added to every series, such as the process they come from. */
  constantLabels?: Readonly<Record<string, string>>;
  /** OpenMetrics 1.0 with exemplars instead of the Prometheus text format 0.0.4. */
  exemplars?: boolean;
};

/** Writes metrics in the Prometheus text format, without metrics that have no series. */
export function renderPrometheus(metrics: readonly CollectedMetric[], options: RenderOptions = {}): string {
  const lines: string[] = [];
  const openMetrics = options.exemplars === true;
  for (const metric of metrics) {
    if (metric.series.length === 0) continue;
    const sample = metric.kind === 'counter' ? `${metric.name}_total` : metric.name;
    const family = openMetrics ? metric.name : sample;
    lines.push(`# HELP ${family} ${escapeHelp(metric.help)}`, `# TYPE ${family} ${metric.kind}`);
    for (const series of metric.series) {
      const labels = { ...series.labels, ...options.constantLabels };
      if (series.counts === undefined) lines.push(`${sample}${renderLabels(labels)} ${renderNumber(series.value)}`);
      else lines.push(...renderHistogram(metric, series, series.counts, labels, openMetrics));
    }
  }
  if (openMetrics) lines.push('# EOF');
  return `${lines.join('\n')}\n`;
}

function renderHistogram(
  metric: CollectedMetric,
  series: SeriesSnapshot,
  counts: readonly number[],
  labels: Readonly<Record<string, string>>,
  openMetrics: boolean,
): string[] {
  const lines: string[] = [];
  let cumulative = 0;
  for (const [bucket, count] of counts.entries()) {
    cumulative += count;
    const bound = renderNumber(metric.buckets[bucket] ?? Number.POSITIVE_INFINITY);
    const exemplar = openMetrics ? renderExemplar(series.exemplars?.[bucket]) : '';
    lines.push(`${metric.name}_bucket${renderLabels({ ...labels, le: bound })} ${cumulative}${exemplar}`);
  }
  lines.push(`${metric.name}_sum${renderLabels(labels)} ${renderNumber(series.value)}`);
  lines.push(`${metric.name}_count${renderLabels(labels)} ${cumulative}`);
  return lines;
}

function renderExemplar(exemplar: Exemplar | undefined): string {
  if (exemplar === undefined) return '';
  return ` # {trace_id="${exemplar.traceId}"} ${renderNumber(exemplar.value)} ${exemplar.atMs / 1000}`;
}

/** `{a="x",b="y"}`, or nothing for no labels. */
function renderLabels(labels: Readonly<Record<string, string>>): string {
  const pairs = Object.entries(labels).map(([name, value]) => `${name}="${escapeLabelValue(value)}"`);
  return pairs.length === 0 ? '' : `{${pairs.join(',')}}`;
}

function renderNumber(value: number): string {
  if (value === Number.POSITIVE_INFINITY) return '+Inf';
  return value === Number.NEGATIVE_INFINITY ? '-Inf' : String(value);
}

const escapeHelp = (text: string): string => text.replaceAll('\\', '\\\\').replaceAll('\n', '\\n');

const escapeLabelValue = (text: string): string => escapeHelp(text).replaceAll('"', '\\"');
