import { defineMachineControl, type Observation } from '../control.ts';
import { readUncredentialedClientsTally } from '../probes/access.store.ts';
import { observeTally } from '../probes/tally.ts';

export const clientsAuthenticate = defineMachineControl({
  name: 'clients-authenticate',
  title: 'Every client that acts for itself proves who it is',
  clause: '164.312(d)',
  profile: 'current',
  requirement: 'required',
  population: 'enabled clients that may get tokens of their own',
  probe: 'Finds clients with the client credentials grant and no means to authenticate',
  probeVersion: 1,
  evidence: 'Number of such clients, and ids of those without a credential',
  pace: 'frequent',
  threat: 'A program without a credential gets tokens',
  humanDuty: 'Rotate client secrets when a person who knows them leaves.',
  check: async ({ sql }): Promise<Observation> =>
    observeTally(await readUncredentialedClientsTally(sql), 'the client has no credential'),
});
