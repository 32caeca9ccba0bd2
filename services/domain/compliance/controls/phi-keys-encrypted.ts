import { defineMachineControl, type Observation } from '../control.ts';
import { readPhiKeysTally } from '../probes/custody.store.ts';
import { observeTally } from '../probes/tally.ts';

export const phiKeysEncrypted = defineMachineControl({
  name: 'phi-keys-encrypted',
  title: 'Keys of health data are ciphertext in the database',
  clause: '164.312(a)(2)(iv)',
  profile: 'current',
  requirement: 'addressable',
  population: 'keys that wrap data keys, and data keys of persons',
  probe: 'Reads the raw columns and compares every key with the form of a sealed or wrapped key',
  probeVersion: 1,
  evidence: 'Number of keys, and ids of those in clear',
  pace: 'thorough',
  threat: 'A stolen database gives health data',
  humanDuty: 'Store the encrypted values and the key-encryption key apart.',
  check: async ({ sql }): Promise<Observation> =>
    observeTally(await readPhiKeysTally(sql), 'the key is stored in clear'),
});
