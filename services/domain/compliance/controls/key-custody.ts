import { defineMachineControl, type Observation } from '../control.ts';

export const keyCustody = defineMachineControl({
  name: 'key-custody',
  title: 'The key-encryption key is given by the operator, and an old one is not left behind',
  clause: '164.312(a)(2)(iv)',
  profile: 'current',
  requirement: 'addressable',
  population: 'the settings of the key-encryption key',
  probe: 'Reads whether KEY_ENCRYPTION_KEY or its file is set, and whether the previous key still is',
  probeVersion: 1,
  evidence: 'Source of the key, and whether a previous key is set; never the key',
  pace: 'frequent',
  threat: 'A leaked session secret also opens the private keys',
  humanDuty: 'Decide who knows the key-encryption key, and rehearse its change.',
  check: async ({ config: { keys } }): Promise<Observation> => {
    const source =
      keys.keyEncryptionKey === undefined
        ? keys.keyEncryptionKeyFile === undefined
          ? 'derived'
          : 'file'
        : 'environment';
    const hasPrevious = keys.previousKeyEncryptionKey !== undefined || keys.previousKeyEncryptionKeyFile !== undefined;
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
});
