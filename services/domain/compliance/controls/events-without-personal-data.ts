import { defineMachineControl, type Observation } from '../control.ts';
import { observeTally } from '../probes/tally.ts';
import { readAddressesTally } from '../probes/trail.store.ts';

export const eventsWithoutPersonalData = defineMachineControl({
  name: 'events-without-personal-data',
  title: 'Audit events contain no e-mail address, network address or token in clear',
  clause: '164.502(b)',
  profile: 'current',
  requirement: 'required',
  population: 'the last thousand sealed events',
  probe: 'Searches the details of the last thousand sealed events for the shapes of addresses and tokens',
  probeVersion: 1,
  evidence: 'Number of events read, and numbers of those with such a value',
  pace: 'frequent',
  threat: 'The audit log itself leaks personal data',
  humanDuty: 'Write no personal data into the reasons of changes.',
  check: async ({ sql }): Promise<Observation> =>
    observeTally(await readAddressesTally(sql), 'the event contains an address or a token in clear'),
});
