import { defineMachineControl, type Observation } from '../control.ts';
import { readWidePoliciesTally } from '../probes/privacy.store.ts';
import { observeTally } from '../probes/tally.ts';

export const fieldPoliciesLimited = defineMachineControl({
  name: 'field-policies-limited',
  title:
    'No role may see every field for payment, operations or public health, and the roles of every account see none',
  clause: '164.514(d)(2)',
  profile: 'current',
  requirement: 'required',
  population: 'field policies',
  probe: 'Reads the field policies, and finds those that permit every field for a purpose that the minimum binds',
  probeVersion: 1,
  evidence: 'Number of policies, and role and purpose of each that is too wide',
  pace: 'frequent',
  threat: 'A member of staff reads health data that the work does not need',
  humanDuty: 'Identify the roles that need health data, the categories each needs, and the conditions of access.',
  check: async ({ sql }): Promise<Observation> =>
    observeTally(await readWidePoliciesTally(sql), 'the policy permits more than the purpose needs'),
});
