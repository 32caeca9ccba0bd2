import { type Attributes, type HrTime, ValueType } from '@opentelemetry/api';
import { core, resources, metrics as sdk } from '@opentelemetry/sdk-node';
import { type CollectedMetric, registry, type SeriesSnapshot } from './instruments.ts';
import { lookBeforeScrape } from './scrape-looks.ts';

const startTime = core.millisToHrTime(Date.now());

/** Gives the numbers of the scrape to OpenTelemetry's reader, as cumulative sums, gauges and histograms. */
export const metricProducer: sdk.MetricProducer = {
  async collect(): Promise<sdk.CollectionResult> {
    await lookBeforeScrape();
    const endTime = core.hrTime();
    const metrics = registry
      .collect()
      .filter((metric) => metric.series.length > 0)
      .map((metric) => metricData(metric, endTime));
    return {
      resourceMetrics: {
        resource: resources.emptyResource(),
        scopeMetrics: [{ scope: { name: 'sallyport' }, metrics }],
      },
      errors: [],
    };
  },
};

function metricData(metric: CollectedMetric, endTime: HrTime): sdk.MetricData {
  const base = {
    descriptor: {
      name: metric.otel?.name ?? metric.name,
      description: metric.help,
      unit: metric.unit,
      valueType: ValueType.DOUBLE,
    },
    aggregationTemporality: sdk.AggregationTemporality.CUMULATIVE,
  };
  const point = (series: SeriesSnapshot) => ({ startTime, endTime, attributes: attributesOf(metric, series) });
  if (metric.kind === 'histogram')
    return {
      ...base,
      dataPointType: sdk.DataPointType.HISTOGRAM,
      dataPoints: metric.series.map((series) => ({ ...point(series), value: histogramOf(metric, series) })),
    };
  const dataPoints = metric.series.map((series) => ({ ...point(series), value: series.value }));
  if (metric.kind === 'gauge') return { ...base, dataPointType: sdk.DataPointType.GAUGE, dataPoints };
  return { ...base, dataPointType: sdk.DataPointType.SUM, isMonotonic: true, dataPoints };
}

function histogramOf(metric: CollectedMetric, series: SeriesSnapshot) {
  const counts = [...(series.counts ?? [])];
  const count = counts.reduce((sum, each) => sum + each, 0);
  return { buckets: { boundaries: [...metric.buckets], counts }, sum: series.value, count };
}

function attributesOf(metric: CollectedMetric, series: SeriesSnapshot): Attributes {
  const attributes: Attributes = {};
  for (const [label, value] of Object.entries(series.labels)) {
    const name = metric.otel?.labels?.[label] ?? label;
    // The semantic convention has the status as an integer.
    attributes[name] = name === 'http.response.status_code' && value !== 'other' ? Number(value) : value;
  }
  return attributes;
}
