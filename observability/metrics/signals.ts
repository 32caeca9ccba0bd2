import { defineCounter } from './instruments.ts';

export const signalsReceived = defineCounter({
  name: 'sallyport_signals_received',
  help: 'Shared signals that arrived, by outcome. repeated: it came before. limited: too many ended sessions of one transmitter. The last five are refusals (RFC 8935).',
  labels: {
    outcome: [
      'applied',
      'no_user',
      'ignored',
      'repeated',
      'limited',
      'invalid_request',
      'invalid_key',
      'invalid_issuer',
      'invalid_audience',
      'authentication_failed',
    ],
  },
});
