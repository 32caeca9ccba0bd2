import '#jobs/metrics.ts';
import { modules } from '#services/modules.ts';

// Each module loads its metrics; telemetry knows no module.
await Promise.all(modules.map(({ metrics }) => metrics?.()));

export { catalogue } from '#observability/metrics/catalogue.ts';
