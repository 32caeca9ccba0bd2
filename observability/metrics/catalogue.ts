import './access.ts';
import './api-keys.ts';
import './audit.ts';
import './cleanup.ts';
import './handoff.ts';
import './http.ts';
import './identity.ts';
import './keys.ts';
import './limits.ts';
import './mail.ts';
import './oauth.ts';
import './postgres.ts';
import './privacy.ts';
import './process.ts';
import './readiness.ts';
import './revocations.ts';
import './security.ts';
import './signoff.ts';
import './telemetry.ts';
import './tokens.ts';
import { type MetricInfo, registry } from './instruments.ts';
import { childRestarts, scrapeFailures } from './supervisor.ts';

/** Every metric of the platform, by name: what the reference page, dashboards and alerts are checked against. */
export function catalogue(): MetricInfo[] {
  return [...registry.list(), scrapeFailures, childRestarts].sort((a, b) => (a.name < b.name ? -1 : 1));
}
