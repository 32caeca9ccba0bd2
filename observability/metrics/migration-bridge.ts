import { defineCounter, defineGauge } from './instruments.ts';

export const legacyValidations = defineCounter({
  name: 'sallyport_legacy_validations',
  help: 'Access tokens of the old provider validated, by outcome. Their share of all validations shows how far the move is.',
  labels: { outcome: ['active', 'inactive', 'unavailable'] },
});

export const formerPasswordChecks = defineCounter({
  name: 'sallyport_former_password_checks',
  help: 'Passwords of users without one here, checked at the old provider, by outcome; not_asked: it failed, and is not back yet, or 16 checks run.',
  labels: { outcome: ['right', 'wrong', 'failed', 'not_asked'] },
});

export const importRecords = defineGauge({
  name: 'sallyport_import_records',
  help: 'Records that imports of the last 90 days have read, by outcome; read from the database, so imports of the command are counted too.',
  labels: { outcome: ['new', 'changed', 'same', 'rejected'] },
});

export const importBytes = defineGauge({
  name: 'sallyport_import_bytes',
  help: 'Bytes of the sources of imports of the last 90 days: all of them, and those that were read. An import that failed counts what it has read.',
  labels: { state: ['read', 'all'] },
});
