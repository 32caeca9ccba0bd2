import { defineMachineControl, type Observation } from '../control.ts';
import { readUndestroyedTally } from '../probes/custody.store.ts';
import { observeTally } from '../probes/tally.ts';

export const retiredKeysDestroyed = defineMachineControl({
  name: 'retired-keys-destroyed',
  title: 'The private part of a retired key is destroyed',
  clause: '164.312(a)(2)(iv)',
  profile: 'current',
  requirement: 'addressable',
  population: 'keys that stopped signing more than a day ago',
  probe: 'Finds retired keys whose private part is still stored',
  probeVersion: 1,
  evidence: 'Number of retired keys, and ids of those with a private part',
  pace: 'frequent',
  threat: 'An old key, forgotten but trusted, is stolen from a backup',
  humanDuty: 'Delete old backups by the same schedule.',
  check: async ({ sql }): Promise<Observation> =>
    observeTally(await readUndestroyedTally(sql), 'the private part of a retired key is still stored'),
});
