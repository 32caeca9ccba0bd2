import { defineMachineControl, type Observation } from '../control.ts';
import { readKeysDueTally } from '../probes/custody.store.ts';
import { observeTally } from '../probes/tally.ts';

export const signingKeysRotated = defineMachineControl({
  name: 'signing-keys-rotated',
  title: 'No signing key is overdue for rotation',
  clause: '164.312(d)',
  profile: 'current',
  requirement: 'required',
  population: 'keys that sign now',
  probe: 'Compares how long each key has signed with the rotation period that the API was started with',
  probeVersion: 1,
  evidence: 'Number of signing keys, days of the oldest, and ids of those overdue',
  pace: 'frequent',
  threat: 'A leaked key signs tokens for as long as it is trusted',
  humanDuty: 'Choose the rotation period (KEY_ROTATION_DAYS).',
  check: async ({ sql }): Promise<Observation> => {
    const tally = await readKeysDueTally(sql);
    return observeTally(tally, 'the key has signed for longer than its rotation period', {
      oldest_days: tally.oldestDays,
    });
  },
});
