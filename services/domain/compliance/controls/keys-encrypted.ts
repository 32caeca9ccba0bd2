import { sealContext } from '#services/domain/keys/key-material.ts';
import { defineMachineControl, type Observation } from '../control.ts';
import { readSealedKey, readSealedKeysTally } from '../probes/custody.store.ts';
import { observeTally } from '../probes/tally.ts';

export const keysEncrypted = defineMachineControl({
  name: 'keys-encrypted',
  title: 'Private keys and secrets are ciphertext in the database',
  clause: '164.312(a)(2)(iv)',
  profile: 'current',
  requirement: 'addressable',
  population: 'private keys and server secrets',
  probe: 'Reads the raw columns, compares every value with the form of ciphertext, and opens the newest private key',
  probeVersion: 1,
  evidence: 'Number of values, ids of those in clear, and whether the newest private key opens',
  pace: 'frequent',
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
});

function canOpen(open: () => unknown): boolean {
  try {
    open();
    return true;
  } catch {
    return false;
  }
}
