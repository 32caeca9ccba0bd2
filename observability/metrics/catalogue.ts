import './cleanup.ts';
import './http.ts';
import './postgres.ts';
import './process.ts';
import './readiness.ts';
import './telemetry.ts';
import { type MetricInfo, registry } from './instruments.ts';
import { childRestarts, scrapeFailures } from './supervisor.ts';

/** Every metric of the platform, by name: what the reference page, dashboards and alerts are checked against. */
export const catalogue = (): MetricInfo[] =>
  [...registry.list(), scrapeFailures, childRestarts].sort((a, b) => (a.name < b.name ? -1 : 1));
