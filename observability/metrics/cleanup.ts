import { defineCounter, defineGauge } from './instruments.ts';

/** Every kind of row that is removed when it expires. */
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
  'logout_tokens',
  'dpop_proofs',
  'client_assertions',
  'client_refusals',
  'one_time_codes',
  'mails',
  'invitations',
  'imported_hash_keys',
  'social_sign_ins',
  'api_keys',
  'alert_deliveries',
  'alert_silences',
  'alerts',
  'signals',
  'api_key_nonces',
  'phi_rotations',
  'outbox',
  'compliance_reports',
  'compliance_attestations',
  'signoffs',
  'backchannel_requests',
  'handoff_deliveries',
  'handoff_endpoints',
  'siem_targets',
  'compliance_violations',
  'legacy_sessions',
  'legacy_events',
  'imports',
  'ended_legacy_users',
  'copy_samples',
  'event_hours',
  'security_reports',
] as const;
export type PurgeKind = (typeof purgeKinds)[number];

export const cleanupLag = defineGauge({
  name: 'sallyport_cleanup_lag_seconds',
  help: 'How long the oldest expired row has been overdue for removal, by kind; 0 when none is.',
  labels: { kind: purgeKinds },
});

export const cleanupRemoved = defineCounter({
  name: 'sallyport_cleanup_removed',
  help: 'Expired rows removed, by kind.',
  labels: { kind: purgeKinds },
});

export const cleanupPauses = defineCounter({
  name: 'sallyport_cleanup_pauses',
  help: 'Pauses of the clean-up between batches because statements of the API were slow.',
});
