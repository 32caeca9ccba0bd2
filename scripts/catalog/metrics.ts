import '#jobs/metrics.ts';
import '#services/domain/compliance/metrics.ts';

// Telemetry knows no module, so the metrics whose labels are names of modules are declared with those names.
export { catalogue } from '#observability/metrics/catalogue.ts';
