import { defineCounter, defineGauge, defineHistogram } from './instruments.ts';

export const logins = defineCounter({
  name: 'sallyport_logins',
  help: 'Sign-in attempts, by outcome and factor.',
  labels: {
    outcome: ['ok', 'refused', 'second_factor_asked', 'locked', 'limited', 'unavailable'],
    factor: ['password', 'passkey', 'totp', 'recovery_code', 'email_code', 'social', 'legacy_session'],
  },
});

export const signups = defineCounter({
  name: 'sallyport_signups',
  help: 'Sign-up attempts, by outcome.',
  labels: { outcome: ['ok', 'pending', 'known', 'refused', 'limited', 'unavailable'] },
});

export const sessionsEnded = defineCounter({
  name: 'sallyport_sessions_ended',
  help: 'Sessions ended, by cause; unavailable when the end could not be recorded.',
  labels: { outcome: ['sign_out', 'revoked', 'limit', 'unavailable'] },
});

export const sessionCacheLookups = defineCounter({
  name: 'sallyport_session_cache',
  help: 'Session look-ups in the cache in Redis. After a miss, the session is read from Postgres.',
  labels: { outcome: ['hit', 'miss'] },
});

export const breachLookups = defineCounter({
  name: 'sallyport_breach_lookups',
  help: 'New passwords checked against the list of breached passwords, by outcome. unavailable: the list did not answer, and the password was accepted unchecked.',
  labels: { outcome: ['clean', 'breached', 'unavailable'] },
});

export const passwordUpgrades = defineCounter({
  name: 'sallyport_password_upgrades',
  help: 'Password hashes replaced by stronger ones after a sign-in; superseded: the password had already changed.',
  labels: { outcome: ['done', 'superseded', 'failed'] },
});

export const hashQueueDepth = defineGauge({
  name: 'sallyport_hash_queue_depth',
  help: 'Passwords waiting to be hashed.',
});

export const hashQueueWait = defineHistogram({
  name: 'sallyport_hash_queue_wait_seconds',
  help: 'Time a password waited before hashing began.',
  buckets: [0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2],
});

export const hashDuration = defineHistogram({
  name: 'sallyport_hash_duration_seconds',
  help: 'Time to hash or verify one password, without waiting.',
  labels: { operation: ['hash', 'verify'] },
  buckets: [0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2],
});

export const hashProcessorTime = defineCounter({
  name: 'sallyport_hash_processor_seconds',
  help: 'Processor time of password hashing. Divided by the sum of the duration: the share of a core that a hash got.',
});

export const hashJobs = defineCounter({
  name: 'sallyport_hash_jobs',
  help: 'Password hashing jobs by outcome; full, expired and cancelled jobs never began.',
  labels: { outcome: ['done', 'full', 'expired', 'cancelled', 'failed'] },
});
