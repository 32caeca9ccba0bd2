import { defineCounter, defineGauge, defineHistogram } from './instruments.ts';

export const auditEventsSealed = defineCounter({
  name: 'sallyport_audit_events_sealed',
  help: 'Events that were given their place in the sealed log.',
});

export const auditLag = defineHistogram({
  name: 'sallyport_audit_lag_seconds',
  help: 'Time from an event to its place in the sealed log.',
  unit: 's',
  buckets: [0.1, 0.25, 0.5, 1, 1.5, 2, 3, 5, 10, 30, 60, 300, 3_600],
});

export const auditOutboxOldestAge = defineGauge({
  name: 'sallyport_audit_outbox_oldest_age_seconds',
  help: 'Age of the oldest event that is not sealed; 0 when all are.',
  unit: 's',
});

export const auditOutboxBacklog = defineGauge({
  name: 'sallyport_audit_outbox_backlog',
  help: 'Events that are not sealed, counted up to 100,000.',
});

export const auditOutboxStray = defineGauge({
  name: 'sallyport_audit_outbox_default_rows',
  help: 'Rows of the outbox that no partition of a day takes, counted up to 1,000; a partition cannot be made over them.',
});

export const auditLogSize = defineGauge({
  name: 'sallyport_audit_log_size',
  help: 'Leaves in the log that is in use.',
});

export const auditCheckpointAge = defineGauge({
  name: 'sallyport_audit_checkpoint_age_seconds',
  help: 'Time that there have been leaves which no signed checkpoint covers; 0 when all are covered.',
  unit: 's',
});

export const auditSealingStopped = defineGauge({
  name: 'sallyport_audit_sealing_stopped',
  help: 'Whether sealing has stopped: the database is behind the high-water mark kept outside it, has other leaves, its tiles do not give its root, or another log took the place of the one that the mark names.',
  labels: { reason: ['database_behind', 'forked', 'tiles_damaged', 'continued_elsewhere', 'log_forged_continuation'] },
});

export const auditLogOrigins = defineGauge({
  name: 'sallyport_audit_log_origins',
  help: 'Logs that there have been, by the database and by the high-water mark outside it: one, and another for each that continues a log whose events were lost.',
});

const sinkFaults = ['unavailable', 'refused', 'forked'] as const;
/** Kinds of places outside the database that are told of checkpoints. */
const sinkKinds = ['file', 'witness', 's3'] as const;

export const auditSinkSize = defineGauge({
  name: 'sallyport_audit_sink_size',
  help: 'Leaves under the newest checkpoint that a kind of sink has taken, the least of them where there are several; of witnesses the witnessed size.',
  labels: { sink: sinkKinds },
});

export const auditSinkFailures = defineCounter({
  name: 'sallyport_audit_sink_failures',
  help: 'Checkpoints that a sink did not take at that try; the newest is tried again.',
  labels: { sink: sinkKinds, reason: sinkFaults },
});

// At zero from the start, so that the first one is a step that alerts see.
for (const sink of sinkKinds) for (const reason of sinkFaults) auditSinkFailures.at({ sink, reason });

export const auditSinkSkipped = defineCounter({
  name: 'sallyport_audit_sink_skipped',
  help: 'Checkpoints that a sink was never told of because a newer one, which covers them, came first.',
  labels: { sink: sinkKinds },
});
