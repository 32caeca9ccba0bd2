import { defineCounter, defineGauge, defineHistogram } from './instruments.ts';

export const auditEventsSealed = defineCounter({
  name: 'sallyport_audit_events_sealed',
  help: 'Events appended to the sealed log.',
});

export const auditRowsRefused = defineCounter({
  name: 'sallyport_audit_rows_refused',
  help: 'Outbox rows that were sealed as `audit.row_refused`, because they are about a key that the vault does not have.',
});

export const auditRowsAltered = defineCounter({
  name: 'sallyport_audit_rows_altered',
  help: 'Sealed events that were read and whose row differs from what was sealed. Counts every read.',
});

export const auditLag = defineHistogram({
  name: 'sallyport_audit_lag_seconds',
  help: 'Time from an event until it is sealed.',
  buckets: [0.1, 0.25, 0.5, 1, 1.5, 2, 3, 5, 10, 30, 60, 300, 3_600],
});

export const auditOutboxOldestAge = defineGauge({
  name: 'sallyport_audit_outbox_oldest_age_seconds',
  help: 'Age of the oldest unsealed event; 0 when all are sealed.',
});

export const auditOutboxBacklog = defineGauge({
  name: 'sallyport_audit_outbox_backlog',
  help: 'Unsealed events, counted up to 100,000.',
});

export const auditOutboxStray = defineGauge({
  name: 'sallyport_audit_outbox_default_rows',
  help: 'Outbox rows without a daily partition, counted up to 1,000; the partition of their day cannot be created while they exist.',
});

export const auditLogSize = defineGauge({ name: 'sallyport_audit_log_size', help: 'Leaves in the log in use.' });

export const auditCheckpointAge = defineGauge({
  name: 'sallyport_audit_checkpoint_age_seconds',
  help: 'How long the newest leaves have not been covered by a signed checkpoint; 0 when all leaves are covered.',
});

export const auditSealingStopped = defineGauge({
  name: 'sallyport_audit_sealing_stopped',
  help: '1 while sealing is stopped, by reason: the audit log in the database is behind the high-water mark kept outside it, has different leaves, has tiles that do not match its signed root, or is not the log that the high-water mark names.',
  labels: { reason: ['database_behind', 'forked', 'tiles_damaged', 'continued_elsewhere', 'log_forged_continuation'] },
});

export const auditLogOrigins = defineGauge({
  name: 'sallyport_audit_log_origins',
  help: 'Number of audit logs that the database or the high-water mark outside it names: one, plus one for each time a new log was begun after a loss of events.',
});

const sinkFaults = ['unavailable', 'refused', 'forked'] as const;
/** Kinds of sinks outside the database that receive checkpoints. */
const sinkKinds = ['file', 'witness', 's3'] as const;

export const auditSinkSize = defineGauge({
  name: 'sallyport_audit_sink_size',
  help: 'Number of leaves that the newest checkpoint accepted by a sink covers. If there are several sinks of a kind, the smallest number. For witnesses, the witnessed size.',
  labels: { sink: sinkKinds },
});

export const auditSinkFailures = defineCounter({
  name: 'sallyport_audit_sink_failures',
  help: 'Checkpoint deliveries that failed; the newest checkpoint is retried.',
  labels: { sink: sinkKinds, reason: sinkFaults },
});

// Creates every series at zero, so that alerts see the first failure as an increase.
for (const sink of sinkKinds) for (const reason of sinkFaults) auditSinkFailures.at({ sink, reason });

export const auditSinkSkipped = defineCounter({
  name: 'sallyport_audit_sink_skipped',
  help: 'Checkpoints never sent to a sink because a newer one, which covers them, was sent first.',
  labels: { sink: sinkKinds },
});
