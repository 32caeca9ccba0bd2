import { defineMachineControl, type Observation } from '../control.ts';
import { readUnvettedRightsTally } from '../probes/access.store.ts';
import { observeTally } from '../probes/tally.ts';

export const unvettedClientsWithoutRights = defineMachineControl({
  name: 'unvetted-clients-without-rights',
  title: 'Clients that registered themselves have no permission of the installation',
  clause: '164.308(a)(4)(ii)(B)',
  profile: 'current',
  requirement: 'addressable',
  population: 'clients that no administrator created',
  probe: 'Finds self-registered clients with a scope that names a permission',
  probeVersion: 1,
  evidence: 'Number of such clients, and ids of those with a permission',
  pace: 'frequent',
  threat: 'A stranger registers a client and gets permissions',
  humanDuty: 'Decide whether clients may register themselves.',
  check: async ({ sql }): Promise<Observation> =>
    observeTally(await readUnvettedRightsTally(sql), 'an unvetted client has a permission'),
});
