import { defineMachineControl, type Observation } from '../control.ts';
import { readPhiRotationTally } from '../probes/custody.store.ts';
import { observeTally } from '../probes/tally.ts';

export const phiKeysRotated = defineMachineControl({
  name: 'phi-keys-rotated',
  title: 'The key that wraps the keys of health data is not overdue for rotation',
  clause: '164.312(a)(2)(iv)',
  profile: 'current',
  requirement: 'addressable',
  population: 'keys that wrap data keys',
  probe: 'Compares the age of the newest key with the rotation period, and finds older keys that no rotation replaces',
  probeVersion: 1,
  evidence: 'The rotation period in days, and versions that are overdue',
  pace: 'frequent',
  threat: 'A stolen database gives health data',
  humanDuty: 'Choose the rotation period (PHI_KEY_ROTATION_DAYS).',
  check: async ({ sql, config }): Promise<Observation> => {
    const days = config.keys.phiRotationDays;
    const tally = await readPhiRotationTally(sql, days);
    return observeTally(tally, 'the key has wrapped data keys for longer than its rotation period', {
      rotation_days: days,
    });
  },
});
