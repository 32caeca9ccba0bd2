import { defineCounter, defineGauge } from './instruments.ts';

/** Every kind of row that goes once its time is over. */
export const purgeKinds = [
  'families',
  'revocations',
  'idempotency_keys',
  'sessions',
  'verifications',
  'login_failures_names',
  'login_failures_devices',
  'login_failures_networks',
  'incidents',
  'unjudged_events',
  'login_challenges',
  'oauth_codes',
  'oauth_device_grants',
  'unvetted_clients',
  'oauth_pushed_requests',
  'dpop_proofs',
  'one_time_codes',
  'mails',
  'invitations',
  'social_sign_ins',
  'api_keys',
  'api_key_nonces',
  'outbox',
] as const;
export type PurgeKind = (typeof purgeKinds)[number];

export const cleanupLag = defineGauge({
  name: 'sallyport_cleanup_lag_seconds',
  help: 'How long the oldest row that should be gone has been overdue, by kind; 0 when none is.',
  unit: 's',
  labels: { kind: purgeKinds },
});

export const cleanupRemoved = defineCounter({
  name: 'sallyport_cleanup_removed',
  help: 'Rows removed because their time was over, by kind.',
  labels: { kind: purgeKinds },
});

export const cleanupPauses = defineCounter({
  name: 'sallyport_cleanup_pauses',
  help: 'Waits of the clean-up between two batches because statements of the API took long, by kind.',
  labels: { kind: purgeKinds },
});
