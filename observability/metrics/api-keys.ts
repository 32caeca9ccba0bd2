import { defineCounter } from './instruments.ts';

export const apiKeyChecks = defineCounter({
  name: 'sallyport_api_key_checks',
  help: 'API keys shown by requests: good, of a wrong form or checksum, of no live key, or of an owner that is disabled or cut off.',
  labels: { outcome: ['ok', 'malformed', 'unknown', 'owner'] },
});

export const apiKeySignatures = defineCounter({
  name: 'sallyport_api_key_signatures',
  help: 'Signatures of requests whose API key asks for one, by outcome; replayed: the nonce had been used.',
  labels: { outcome: ['ok', 'missing', 'invalid', 'replayed'] },
});
