import { sealContext } from '#services/core/keys/key-material.ts';
import { checked, type Observation } from '../control.ts';
import {
  phiKeysTally,
  readKeysDueTally,
  readPhiRotationTally,
  readSealedKey,
  readSealedKeysTally,
  sealedContentTally,
  undestroyedTally,
} from '../probes/custody.store.ts';
import { observeTally, tallied } from '../probes/tally.store.ts';

function canOpen(open: () => unknown): boolean {
  try {
    open();
    return true;
  } catch {
    return false;
  }
}

export const keysControls = [
  checked({
    name: 'key-custody',
    title: 'The key-encryption key is given by the operator, and an old one is not left behind',
    clause: '164.312(a)(2)(iv)',
    population: 'the settings of the key-encryption key',
    probe: 'Reads whether KEY_ENCRYPTION_KEY or its file is set, and whether the previous key still is',
    evidence: 'Source of the key, and whether a previous key is set; never the key',
    threat: 'A leaked session secret also opens the private keys',
    humanDuty: 'Decide who knows the key-encryption key, and rehearse its change.',
    check: async ({ config: { keys } }): Promise<Observation> => {
      const source =
        keys.keyEncryptionKey === undefined
          ? keys.keyEncryptionKeyFile === undefined
            ? 'derived'
            : 'file'
          : 'environment';
      const hasPrevious =
        keys.previousKeyEncryptionKey !== undefined || keys.previousKeyEncryptionKeyFile !== undefined;
      return {
        population: 2,
        exceptions: [
          ...(source === 'derived'
            ? [{ resource: 'KEY_ENCRYPTION_KEY', why: 'the key is derived from the session secret' }]
            : []),
          ...(hasPrevious
            ? [{ resource: 'KEY_ENCRYPTION_KEY_PREVIOUS', why: 'the previous key is still configured' }]
            : []),
        ],
        observed: { source, previous_key_configured: hasPrevious },
      };
    },
  }),
  checked({
    name: 'keys-encrypted',
    title: 'Private keys and secrets are ciphertext in the database',
    clause: '164.312(a)(2)(iv)',
    population: 'private keys and server secrets',
    probe: 'Reads the raw columns, compares every value with the form of ciphertext, and opens the newest private key',
    evidence: 'Number of values, ids of those in clear, and whether the newest private key opens',
    threat: 'A stolen database gives the keys that sign tokens',
    humanDuty: 'Store the key-encryption key apart from the database and its backups.',
    check: async ({ sql, vault }): Promise<Observation> => {
      const tally = await readSealedKeysTally(sql);
      const newest = await readSealedKey(sql);
      const opens =
        newest === undefined || canOpen(() => vault.open(newest.sealed, sealContext(newest.purpose, newest.id)));
      const seen = observeTally(tally, 'the value is stored in clear', { newest_opens: opens });
      if (opens || seen.exceptions.length > 0) return seen;
      return {
        ...seen,
        exceptions: [
          { resource: `jwks ${newest?.id}`, why: 'the private key does not open with the key-encryption key' },
        ],
        exceptionCount: 1,
      };
    },
  }),
  checked({
    name: 'mail-encrypted',
    title: 'Queued mail and pending sign-ups are ciphertext in the database',
    clause: '164.312(a)(2)(iv)',
    population: 'queued mails, and codes that carry a name',
    probe: 'Reads the raw columns and compares every value with the form of ciphertext',
    evidence: 'Number of values, and ids of rows in clear',
    threat: 'A stolen database gives names and addresses of waiting mail',
    humanDuty:
      'Encrypt the disks of PostgreSQL: e-mail addresses of accounts are stored in clear, since users sign in with them.',
    check: tallied(sealedContentTally, 'the value is stored in clear'),
  }),
  checked({
    name: 'phi-keys-encrypted',
    title: 'Keys of health data are ciphertext in the database',
    clause: '164.312(a)(2)(iv)',
    population: 'keys that wrap data keys, and data keys of persons',
    probe: 'Reads the raw columns and compares every key with the form of a sealed or wrapped key',
    evidence: 'Number of keys, and ids of those in clear',
    pace: 'thorough',
    threat: 'A stolen database gives health data',
    humanDuty: 'Store the encrypted values and the key-encryption key apart.',
    check: tallied(phiKeysTally, 'the key is stored in clear'),
  }),
  checked({
    name: 'phi-keys-rotated',
    title: 'The key that wraps the keys of health data is not overdue for rotation',
    clause: '164.312(a)(2)(iv)',
    population: 'keys that wrap data keys',
    probe:
      'Compares the age of the newest key with the rotation period, and finds older keys that no rotation replaces',
    evidence: 'The rotation period in days, and versions that are overdue',
    threat: 'A stolen database gives health data',
    humanDuty: 'Choose the rotation period (PHI_KEY_ROTATION_DAYS).',
    check: async ({ sql, config }): Promise<Observation> => {
      const days = config.keys.phiRotationDays;
      const tally = await readPhiRotationTally(sql, days);
      return observeTally(tally, 'the key has wrapped data keys for longer than its rotation period', {
        rotation_days: days,
      });
    },
  }),
  checked({
    name: 'retired-keys-destroyed',
    title: 'The private part of a retired key is destroyed',
    clause: '164.312(a)(2)(iv)',
    population: 'keys that stopped signing more than a day ago',
    probe: 'Finds retired keys whose private part is still stored',
    evidence: 'Number of retired keys, and ids of those with a private part',
    threat: 'An old key, forgotten but trusted, is stolen from a backup',
    humanDuty: 'Delete old backups by the same schedule.',
    check: tallied(undestroyedTally, 'the private part of a retired key is still stored'),
  }),
  checked({
    name: 'signing-keys-rotated',
    title: 'No signing key is overdue for rotation',
    clause: '164.312(d)',
    population: 'keys that sign now',
    probe: 'Compares how long each key has signed with the rotation period that the API was started with',
    evidence: 'Number of signing keys, days of the oldest, and ids of those overdue',
    threat: 'A leaked key signs tokens for as long as it is trusted',
    humanDuty: 'Choose the rotation period (KEY_ROTATION_DAYS).',
    check: async ({ sql }): Promise<Observation> => {
      const tally = await readKeysDueTally(sql);
      return observeTally(tally, 'the key has signed for longer than its rotation period', {
        oldest_days: tally.oldest_days,
      });
    },
  }),
] as const;
