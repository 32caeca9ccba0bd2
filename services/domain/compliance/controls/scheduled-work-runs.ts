import { defineMachineControl, type Observation } from '../control.ts';
import { observeTally } from '../probes/tally.ts';
import { readSchedulesTally } from '../probes/trail.store.ts';

export const scheduledWorkRuns = defineMachineControl({
  name: 'scheduled-work-runs',
  title: 'Every scheduled job has succeeded lately',
  clause: '164.308(a)(1)(ii)(B)',
  profile: 'current',
  requirement: 'required',
  population: 'scheduled jobs',
  probe: 'Finds jobs whose last success is more than three periods, and an hour, ago',
  probeVersion: 1,
  evidence: 'Number of scheduled jobs, and names of those that do not succeed',
  pace: 'frequent',
  threat: 'A safeguard stops without notice',
  humanDuty: 'Act on the alerts ScheduleStale and DeadLetters.',
  check: async ({ sql }): Promise<Observation> =>
    observeTally(await readSchedulesTally(sql), 'the job has not succeeded lately'),
});
