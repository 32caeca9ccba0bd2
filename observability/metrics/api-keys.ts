import { defineCounter } from './instruments.ts';

export const apiKeyChecks = defineCounter({
  name: 'sallyport_api_key_checks',
  help: 'API keys presented, by outcome. malformed: wrong form or checksum. unknown: never issued, expired or revoked. owner: the owner is disabled, or all sessions of the owner were ended.',
  labels: { outcome: ['ok', 'malformed', 'unknown', 'owner'] },
});

export const apiKeySignatures = defineCounter({
  name: 'sallyport_api_key_signatures',
  help: 'Requests with an API key that requires signed requests, by outcome of the signature. replayed: the nonce was used before.',
  labels: { outcome: ['ok', 'missing', 'invalid', 'replayed'] },
});
