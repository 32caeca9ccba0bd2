import { defineMachineControl, type Observation } from '../control.ts';
import { readUnreviewedAccessTally } from '../probes/privacy.store.ts';
import { observeTally } from '../probes/tally.ts';

export const emergencyAccessReviewed = defineMachineControl({
  name: 'emergency-access-reviewed',
  title: 'Another user reviews every emergency access within three days',
  clause: '164.308(a)(1)(ii)(D)',
  profile: 'current',
  requirement: 'required',
  population: 'emergency accesses',
  probe: 'Finds emergency accesses that were opened more than 72 hours ago and are not reviewed',
  probeVersion: 1,
  evidence: 'Number of emergency accesses, and ids of those whose review is overdue',
  pace: 'frequent',
  threat: 'A user opens emergency access out of curiosity',
  humanDuty: 'Review each emergency access, and decide whether it was justified.',
  check: async ({ sql }): Promise<Observation> =>
    observeTally(await readUnreviewedAccessTally(sql), 'the review of an emergency access is overdue'),
});
