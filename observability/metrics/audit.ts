import { defineGauge } from './instruments.ts';

export const outboxOldestAge = defineGauge({
  name: 'sallyport_audit_outbox_oldest_age_seconds',
  help: 'Age of the oldest audit event that is not sealed yet; 0 when all are.',
  unit: 's',
});
