import { defineCounter } from './instruments.ts';

export const legacyValidations = defineCounter({
  name: 'sallyport_legacy_validations',
  help: 'Access tokens of the old provider validated, by outcome. Their share of all validations shows how far the move is.',
  labels: { outcome: ['active', 'inactive', 'unavailable'] },
});

export const formerPasswordChecks = defineCounter({
  name: 'sallyport_former_password_checks',
  help: 'Passwords of users without one here, checked at the old provider, by outcome; not_asked: it failed five times in a row, or 16 checks run.',
  labels: { outcome: ['right', 'wrong', 'failed', 'not_asked'] },
});
