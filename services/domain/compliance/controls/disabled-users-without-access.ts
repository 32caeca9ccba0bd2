import { defineMachineControl, type Observation } from '../control.ts';
import { readDisabledUsersTally } from '../probes/access.store.ts';
import { observeTally } from '../probes/tally.ts';

export const disabledUsersWithoutAccess = defineMachineControl({
  name: 'disabled-users-without-access',
  title: 'A disabled user has no live session, token or API key',
  clause: '164.308(a)(3)(ii)(C)',
  profile: 'current',
  requirement: 'addressable',
  population: 'disabled users',
  probe: 'Counts live sessions, token families and API keys of every disabled user',
  probeVersion: 1,
  evidence: 'Number of disabled users, and ids of those with access left',
  pace: 'frequent',
  threat: 'A person who left still has access',
  humanDuty: 'Disable an account on the day its user leaves.',
  check: async ({ sql }): Promise<Observation> =>
    observeTally(await readDisabledUsersTally(sql), 'a disabled user still has access'),
});
