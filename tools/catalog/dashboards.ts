import { dashboards } from '#observability/dashboards/all.ts';
import { buildDashboard } from '#observability/dashboards/define.ts';
import { jsonLines } from './json-lines.ts';

/** The dashboards that Grafana reads, by file, with one line for each panel. */
export const dashboardFiles = (): Record<string, string> =>
  Object.fromEntries(
    dashboards.map((definition) => [
      `observability/dashboards/${definition.uid.replace('sallyport-', '')}.json`,
      `${jsonLines(buildDashboard(definition), 2)}\n`,
    ]),
  );
