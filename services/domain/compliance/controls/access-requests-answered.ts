import { defineMachineControl, type Observation } from '../control.ts';
import { readLateExportsTally } from '../probes/privacy.store.ts';
import { observeTally } from '../probes/tally.ts';

export const accessRequestsAnswered = defineMachineControl({
  name: 'access-requests-answered',
  title: 'Every requested export is answered within 30 days',
  clause: '164.524(b)(2)',
  profile: 'current',
  requirement: 'required',
  population: 'requested exports',
  probe: 'Finds exports that are not done after their due date, or in the last month were done after it',
  probeVersion: 1,
  evidence: 'Number of exports, and ids of those that are or were late',
  pace: 'frequent',
  threat: 'A person waits for records that are due',
  humanDuty:
    'Request the export on the day that the person asks, and hand it over with the records of your application.',
  check: async ({ sql }): Promise<Observation> =>
    observeTally(await readLateExportsTally(sql), 'the export was not done within 30 days'),
});
