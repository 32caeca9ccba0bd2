import { defineCounter } from './instruments.ts';

export const clientAssertions = defineCounter({
  name: 'sallyport_client_assertions',
  help: 'Assertions with which clients authenticated, by outcome. replayed: the jti was used before. no_keys: the jwks_uri of the client has no usable keys. busy: too many key sets were being fetched.',
  labels: { outcome: ['ok', 'invalid', 'replayed', 'no_keys', 'busy'] },
});
