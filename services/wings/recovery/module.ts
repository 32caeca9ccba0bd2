import { rehearseRestoreJob } from '#jobs/contracts/operations.ts';
import { defineModule } from '#services/core/module.ts';
import { run } from '#services/core/processor.ts';
import * as events from './audit-events.ts';

export const recoveryModule = defineModule({
  name: 'recovery',
  wing: 'recovery',
  sentence: 'Backs up, restores and rehearses restores.',
  events: Object.values(events),
  jobs: [rehearseRestoreJob],
  metrics: () => import('#observability/metrics/restore-drills.ts'),
  processors: async () => {
    const { rehearseRestore } = await import('./backup/rehearse-restore.ts');
    return [run(rehearseRestoreJob, rehearseRestore)];
  },
});
