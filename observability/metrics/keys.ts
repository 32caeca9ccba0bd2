import { defineCounter, defineGauge } from './instruments.ts';

export const signingKeyAge = defineGauge({
  name: 'sallyport_signing_key_age_seconds',
  help: 'Time since the key that signs access tokens became active; with several algorithms, of the oldest such key.',
});

export const signingKeyAgeMax = defineGauge({
  name: 'sallyport_signing_key_age_max_seconds',
  help: 'Configured age at which the signing key is due for rotation.',
});

export const nextKeyPublished = defineGauge({
  name: 'sallyport_signing_key_next_published',
  help: '1 when the next signing key is published in the JWKS, otherwise 0; with several algorithms, of the one due first.',
});

export const signingKeyRotationDue = defineGauge({
  name: 'sallyport_signing_key_rotation_due_seconds',
  help: 'Time until the newest signing key is due to be replaced; below zero the rotation is overdue. With several algorithms, of the one due first.',
});

export const signingKeys = defineGauge({
  name: 'sallyport_signing_keys',
  help: 'Access token keys loaded by this copy, by state and algorithm.',
  labels: {
    state: ['pending', 'active', 'retiring', 'retired', 'compromised'],
    algorithm: ['RS256', 'ES256', 'EdDSA'],
  },
});

export const keyRingAge = defineGauge({
  name: 'sallyport_key_ring_age_seconds',
  help: 'Time since this copy last confirmed its signing keys (its key ring) in Postgres; past the bound the copy stops signing.',
});

export const keyRingAgeMax = defineGauge({
  name: 'sallyport_key_ring_age_max_seconds',
  help: 'Configured bound (KEY_RING_BOUND_SECONDS): a copy that has not confirmed its keys for longer stops signing.',
});

export const clockOffset = defineGauge({
  name: 'sallyport_clock_offset_seconds',
  help: "This copy's clock minus the database's.",
});

export const keyRotations = defineCounter({
  name: 'sallyport_key_rotations',
  help: 'Rotations of a signing key, by outcome.',
  labels: { outcome: ['published', 'not_due', 'failed'] },
});
