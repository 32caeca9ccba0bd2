import { defineMachineControl, type Observation } from '../control.ts';
import { observeTally } from '../probes/tally.ts';
import { readIncidentsTally } from '../probes/trail.store.ts';

export const incidentsReviewed = defineMachineControl({
  name: 'incidents-reviewed',
  title: 'A person acknowledges every severe incident within three days',
  clause: '164.308(a)(6)(ii)',
  profile: 'current',
  requirement: 'required',
  population: 'incidents',
  probe: 'Finds incidents of high or critical severity that have been open for more than 72 hours',
  probeVersion: 1,
  evidence: 'Number of incidents, and ids of those not acknowledged',
  pace: 'frequent',
  threat: 'An attack is detected and no person acts',
  humanDuty: 'Respond to incidents, and document the outcome.',
  check: async ({ sql }): Promise<Observation> =>
    observeTally(await readIncidentsTally(sql), 'the incident was not acknowledged for 72 hours'),
});
