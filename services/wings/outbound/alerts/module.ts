import * as alertJobs from '#jobs/contracts/alerts.ts';
import { cleanUpIncidentsJob } from '#jobs/contracts/security.ts';
import { defineModule } from '#services/core/module.ts';
import { run } from '#services/core/processor.ts';
import { alertPurge, alertsAreDue } from './alerts.store.ts';
import * as events from './audit-events.ts';
import { alertDeliveryPurge, messagesWait } from './notices.store.ts';
import * as permissions from './permissions.ts';
import { silencePurge } from './silences.store.ts';

export const alertsModule = defineModule({
  name: 'outbound/alerts',
  wing: 'outbound',
  sentence: 'Sends an _alert_ to people, grouped, unless a _silence_ matches it.',
  tables: ['alert_targets', 'alerts', 'alert_notices', 'alert_deliveries', 'alert_silences', 'alert_progress'],
  permissions: Object.values(permissions),
  events: Object.values(events),
  leftWork: [{ question: messagesWait, what: 'alerts wait, and no job sends them' }],
  jobs: [...Object.values(alertJobs)],
  purged: [{ by: cleanUpIncidentsJob, purges: [alertPurge, alertDeliveryPurge, silencePurge] }],
  operations: async () => {
    const { alertOperations, alertTargetOperations, silenceOperations } = await import('./operations.ts');
    return [...alertOperations, ...alertTargetOperations, ...silenceOperations];
  },
  metrics: () => import('#observability/metrics/alerts.ts'),
  processors: async () => {
    const { sendAlerts } = await import('./send-alerts.ts');
    return [run(alertJobs.sendAlertsJob, sendAlerts, () => alertsAreDue)];
  },
  watches: async () => [(await import('#observability/metrics/alerts.ts')).showAlertsGivenUp],
});
