import { defineMachineControl, type Observation } from '../control.ts';
import { readUnconsentedResearchTally } from '../probes/privacy.store.ts';
import { observeTally } from '../probes/tally.ts';

export const researchConsented = defineMachineControl({
  name: 'research-consented',
  title: 'Health data was used for research only while the person consented',
  clause: '164.508(a)(1)',
  profile: 'current',
  requirement: 'required',
  population: 'uses for research in the last year',
  probe: 'Compares each use for research in the audit log with the version of the consent that counted at its time',
  probeVersion: 1,
  evidence: 'Number of uses, and events of uses without a consent',
  pace: 'thorough',
  threat: 'Health data is used for research after the person withdrew the consent',
  humanDuty: 'Write the authorization that people sign, and record each decision on the day it is made.',
  check: async ({ sql }): Promise<Observation> =>
    observeTally(await readUnconsentedResearchTally(sql), 'the person did not consent at the time of the use'),
});
