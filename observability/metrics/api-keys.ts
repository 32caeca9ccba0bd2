import { defineCounter } from './instruments.ts';

export const apiKeyChecks = defineCounter({
  name: 'sallyport_api_key_checks',
  help: 'API keys presented: valid, malformed (form or checksum), unknown or ended, or of an owner that is disabled or had all sessions ended.',
  labels: { outcome: ['ok', 'malformed', 'unknown', 'owner'] },
});

export const apiKeySignatures = defineCounter({
  name: 'sallyport_api_key_signatures',
  help: 'Signatures of requests whose API key requires one, by outcome; replayed: the nonce had been used.',
  labels: { outcome: ['ok', 'missing', 'invalid', 'replayed'] },
});
