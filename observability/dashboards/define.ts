import * as common from '@grafana/grafana-foundation-sdk/common';
import {
  type Dashboard,
  DashboardBuilder,
  DashboardCursorSync,
  DashboardLinkBuilder,
  DashboardLinkType,
  type Panel,
  RowBuilder,
  ThresholdsConfigBuilder,
  ThresholdsMode,
} from '@grafana/grafana-foundation-sdk/dashboard';
import { DataqueryBuilder } from '@grafana/grafana-foundation-sdk/prometheus';
import { PanelBuilder as StatBuilder } from '@grafana/grafana-foundation-sdk/stat';
import { PanelBuilder as TimeseriesBuilder } from '@grafana/grafana-foundation-sdk/timeseries';

/** Data sources by the ids that `deploy/grafana/provisioning` gives them. */
const sources = {
  prometheus: { type: 'prometheus', uid: 'prometheus' },
  tempo: { type: 'tempo', uid: 'tempo' },
  loki: { type: 'loki', uid: 'loki' },
} as const;

/** Units of Grafana's own list that our panels use, and `share`: one of `percentunit`, drawn from 0 to 1. */
type PanelUnit =
  | 'share'
  | 's'
  | 'bytes'
  | 'percentunit'
  | 'reqps'
  | 'ops'
  | 'short'
  | 'none'
  | 'cores'
  | 'dtdurations'
  | 'bool_on_off';

export type PanelQuery = {
  /** PromQL; `$__rate_interval` is Grafana's. */
  expr: string;
  legend: string;
  /** Whether exemplars are shown: on histograms whose buckets carry trace ids. */
  exemplar?: boolean;
};

type Links = {
  /** TraceQL that finds traces behind these numbers; those of the row, or all of the product, unless given. */
  traces?: string;
  /** LogQL that finds log lines behind these numbers; those of the row, or all of the product, unless given. */
  logs?: string;
};

type PanelDefinition = Links & {
  title: string;
  /** What it shows, and what a reader should do about an unusual value. */
  description: string;
  /** `short`, a count, unless given. */
  unit?: PanelUnit;
  queries: readonly PanelQuery[];
  /** `stat` shows the last value large, and `alarm` one that should be 0; `lines` unless given. */
  kind?: 'lines' | 'stacked' | 'stat' | 'alarm';
  /** Columns of 24; 6 for a `stat` and 8 for others unless given. */
  width?: number;
  /** Values from which the panel turns yellow and red. */
  warnFrom?: number;
  badFrom?: number;
  min?: number;
  max?: number;
};

export type DashboardDefinition = {
  uid: string;
  title: string;
  description: string;
  rows: readonly (Links & { title: string; panels: readonly PanelDefinition[] })[];
};

const TAG = 'sallyport';
const PANEL_HEIGHT = 8;
const STAT_HEIGHT = 4;

/** A Grafana Explore page over the panel's own time range. */
function exploreUrl(source: { type: string; uid: string }, query: Record<string, string>): string {
  const pane = {
    datasource: source.uid,
    queries: [{ refId: 'A', datasource: source, ...query }],
    range: { from: '__from', to: '__to' },
  };
  const panes = encodeURIComponent(JSON.stringify({ a: pane }));
  // Grafana fills its variables in before it reads the address, and knows them only unencoded.
  return `/explore?schemaVersion=1&panes=${panes.replaceAll(/__(?:from|to)/g, (name) => `\${${name}}`)}`;
}

const ALL_TRACES = '{ resource.service.namespace = "sallyport" }';
const ALL_LOGS = '{service_namespace="sallyport"}';

const linkTo = (title: string, url: string): DashboardLinkBuilder =>
  new DashboardLinkBuilder(title).type(DashboardLinkType.Link).url(url).targetBlank(true);

function linksOf(panel: PanelDefinition): DashboardLinkBuilder[] {
  const traces = exploreUrl(sources.tempo, { queryType: 'traceql', query: panel.traces ?? ALL_TRACES });
  const logs = exploreUrl(sources.loki, { queryType: 'range', expr: panel.logs ?? ALL_LOGS });
  return [linkTo('Traces of this time', traces), linkTo('Log lines of this time', logs)];
}

function thresholdsOf(panel: PanelDefinition): ThresholdsConfigBuilder {
  const steps: { value: number | null; color: string }[] = [{ value: null, color: 'green' }];
  if (panel.warnFrom !== undefined) steps.push({ value: panel.warnFrom, color: 'yellow' });
  if (panel.badFrom !== undefined) steps.push({ value: panel.badFrom, color: 'red' });
  return new ThresholdsConfigBuilder().mode(ThresholdsMode.Absolute).steps(steps);
}

function builderOf(panel: PanelDefinition): StatBuilder | TimeseriesBuilder {
  const width = panel.width ?? (panel.kind === 'stat' ? 6 : 8);
  if (panel.kind === 'stat')
    return new StatBuilder()
      .height(STAT_HEIGHT)
      .span(width)
      .colorMode(common.BigValueColorMode.Value)
      .graphMode(common.BigValueGraphMode.None)
      .reduceOptions(new common.ReduceDataOptionsBuilder().calcs(['lastNotNull']));
  const lines = new TimeseriesBuilder()
    .height(PANEL_HEIGHT)
    .span(width)
    .fillOpacity(panel.kind === 'stacked' ? 40 : 8)
    .lineWidth(1)
    .showPoints(common.VisibilityMode.Never)
    .legend(new common.VizLegendOptionsBuilder().showLegend(true).placement(common.LegendPlacement.Bottom))
    .tooltip(new common.VizTooltipOptionsBuilder().mode(common.TooltipDisplayMode.Multi));
  if (panel.badFrom !== undefined)
    lines.thresholdsStyle(new common.GraphThresholdsStyleConfigBuilder().mode(common.GraphThresholdsStyleMode.Dashed));
  if (panel.kind === 'stacked') lines.stacking(new common.StackingConfigBuilder().mode(common.StackingMode.Normal));
  return lines;
}

const ALARM = { unit: 'none', kind: 'stat', badFrom: 1 } as const;

function panelOf(asked: PanelDefinition): StatBuilder | TimeseriesBuilder {
  const { unit = 'short', ...given } = asked.kind === 'alarm' ? { ...asked, ...ALARM } : asked;
  const panel: PanelDefinition = { ...(unit === 'share' && { min: 0, max: 1 }), ...given };
  const builder = builderOf(panel)
    .title(panel.title)
    .description(panel.description)
    .datasource(sources.prometheus)
    .unit(unit === 'share' ? 'percentunit' : unit)
    .links(linksOf(panel))
    .thresholds(thresholdsOf(panel));
  if (panel.min !== undefined) builder.min(panel.min);
  if (panel.max !== undefined) builder.max(panel.max);
  for (const [index, query] of panel.queries.entries()) {
    const target = new DataqueryBuilder()
      .refId(String.fromCharCode('A'.charCodeAt(0) + index))
      .expr(query.expr)
      .legendFormat(query.legend);
    if (query.exemplar) target.exemplar(true);
    builder.withTarget(panel.kind === 'stat' ? target.instant() : target.range());
  }
  return builder;
}

/** The dashboard as Grafana's JSON model, ready to be provisioned from a file. */
export function buildDashboard(definition: DashboardDefinition): Dashboard {
  const builder = new DashboardBuilder(definition.title)
    .uid(definition.uid)
    .description(definition.description)
    .tags([TAG])
    .timezone('utc')
    .refresh('30s')
    .time({ from: 'now-1h', to: 'now' })
    .tooltip(DashboardCursorSync.Crosshair)
    .links([
      new DashboardLinkBuilder('Sallyport')
        .type(DashboardLinkType.Dashboards)
        .tags([TAG])
        .asDropdown(true)
        .keepTime(true),
    ]);
  for (const { title, panels, ...links } of definition.rows) {
    builder.withRow(new RowBuilder(title));
    for (const panel of panels) builder.withPanel(panelOf({ ...links, ...panel }));
  }
  return numbered(builder.build());
}

/** Panel ids by position, so that a link to a panel survives until panels are moved. */
function numbered(dashboard: Dashboard): Dashboard {
  for (const [index, panel] of (dashboard.panels ?? []).entries()) (panel as Panel).id = index + 1;
  return dashboard;
}
