import { defineCounter, defineGauge } from './instruments.ts';

export const restoreDrills = defineCounter({
  name: 'sallyport_restore_drills',
  help: 'Rehearsals of a restore by outcome: failed when the backup, the restore or the check of the restored database failed.',
  labels: { outcome: ['ok', 'failed'] },
});

export const restoreDrillDuration = defineGauge({
  name: 'sallyport_restore_drill_duration_seconds',
  help: 'How long the last rehearsal of this worker took, from the backup to the checked database.',
});

// Exists at zero from the start, so that the first failure is seen as a step.
restoreDrills.at({ outcome: 'failed' });
