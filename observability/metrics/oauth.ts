import { defineCounter } from './instruments.ts';

export const clientAssertions = defineCounter({
  name: 'sallyport_client_assertions',
  help: 'Assertions with which clients authenticated, by outcome. replayed: the jti was used before. no_keys: the jwks_uri of the client could not be read, or not again so soon. busy: too many key sets were being fetched.',
  labels: { outcome: ['ok', 'invalid', 'replayed', 'no_keys', 'busy'] },
});

export const clientCertificates = defineCounter({
  name: 'sallyport_client_certificates',
  help: 'Certificates with which clients authenticated, by outcome. none: the connection has no certificate from a trusted proxy. another: not a certificate of the client, or not issued by a configured authority. no_keys: the jwks_uri of the client could not be read, or not again so soon. busy: too many key sets were being fetched.',
  labels: { outcome: ['ok', 'none', 'unreadable', 'another', 'expired', 'disabled', 'no_keys', 'busy'] },
});

export const logoutTokensSent = defineCounter({
  name: 'sallyport_logout_tokens',
  help: 'Attempts to send a logout token to a client, by outcome. origin: an administrator registered the client, or it is unvetted. dropped: the client is gone, disabled, or has no address for them any more. given_up: it is not retried any more.',
  labels: { origin: ['admin', 'unvetted'], outcome: ['sent', 'dropped', 'retried', 'given_up'] },
});

/** Creates the series that an alert watches at zero, so that the first token given up is a step. */
export const showLogoutTokensGivenUp = (): undefined =>
  void logoutTokensSent.at({ origin: 'admin', outcome: 'given_up' });
