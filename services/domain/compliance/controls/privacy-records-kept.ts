import { defineMachineControl, type Observation } from '../control.ts';
import { readUnprotectedRecordsTally } from '../probes/privacy.store.ts';
import { observeTally } from '../probes/tally.ts';

export const privacyRecordsKept = defineMachineControl({
  name: 'privacy-records-kept',
  title:
    'The database refuses to change or delete consents and disclosures, and to keep evidence for less than six years',
  clause: '164.530(j)(2)',
  profile: 'current',
  requirement: 'required',
  population: 'triggers and constraints that keep privacy records',
  probe:
    'Reads the triggers of consents and disclosures and the constraints of the retention policies from the catalogue',
  probeVersion: 1,
  evidence: 'Triggers and constraints that are missing or disabled',
  pace: 'frequent',
  threat: 'Records are gone when an investigation asks for them',
  humanDuty: 'Keep policies, notices and complaints for six years.',
  check: async ({ sql }): Promise<Observation> =>
    observeTally(await readUnprotectedRecordsTally(sql), 'the database would accept the change'),
});
