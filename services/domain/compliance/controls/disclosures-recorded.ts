import { defineMachineControl, type Observation } from '../control.ts';
import { readLostDisclosuresTally } from '../probes/privacy.store.ts';
import { observeTally } from '../probes/tally.ts';

export const disclosuresRecorded = defineMachineControl({
  name: 'disclosures-recorded',
  title: 'Every recorded disclosure of six years can be accounted for, and is in the audit log',
  clause: '164.528(a)',
  profile: 'current',
  requirement: 'required',
  population: 'disclosures that the audit log names',
  probe: 'Compares the disclosures that the audit log names with the rows of the accounting, in both directions',
  probeVersion: 1,
  evidence: 'Number of disclosures, and those that are missing in the accounting or in the log',
  pace: 'thorough',
  threat: 'A disclosure is hidden from the person it is about',
  humanDuty: 'Decide what a disclosure is, and record it.',
  check: async ({ sql }): Promise<Observation> =>
    observeTally(await readLostDisclosuresTally(sql), 'accounting and audit log differ'),
});
