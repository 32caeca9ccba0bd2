import { defineError } from '#services/platform/define/error.ts';

export const transmitterUnknown = defineError({
  code: 'transmitter_unknown',
  status: 404,
  title: 'Transmitter not found',
  cause: 'No transmitter of shared signals has this id.',
  fix: 'GET /v1/admin/signal-transmitters lists them.',
});

export const transmitterExists = defineError({
  code: 'transmitter_exists',
  status: 409,
  title: 'Transmitter exists',
  cause: 'Another transmitter has this issuer, or there are as many as an installation may have.',
  fix: 'Remove the other one first.',
});

export const transmitterInvalid = defineError({
  code: 'transmitter_invalid',
  title: 'Transmitter invalid',
  cause:
    'The issuer and the address of its keys must be https URLs without credentials and fragment, and its events must be able to name a user.',
  fix: 'Correct what `detail` names.',
});

export const signalKeysUnavailable = defineError({
  code: 'signal_keys_unavailable',
  status: 503,
  title: 'Keys of the transmitter not available',
  cause: 'The key set of the transmitter could not be read, so its signature could not be verified.',
  fix: 'Send the event again later; operators of the transmitter: check that its `jwks_uri` answers.',
});

export const signalsLimited = defineError({
  code: 'signals_limited',
  status: 429,
  title: 'Too many ended sessions of one transmitter',
  cause: 'The transmitter ended the sessions of as many users as it may within a minute.',
  fix: 'Send the event again after Retry-After seconds; nothing is lost. Operators: see whether the transmitter means it, and remove it if not.',
});
