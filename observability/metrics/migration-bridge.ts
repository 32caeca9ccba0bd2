import { defineCounter } from './instruments.ts';

export const legacyValidations = defineCounter({
  name: 'sallyport_legacy_validations',
  help: 'Access tokens of the old provider validated, by outcome. Their share of all validations shows how far the move is.',
  labels: { outcome: ['active', 'inactive', 'unavailable'] },
});
