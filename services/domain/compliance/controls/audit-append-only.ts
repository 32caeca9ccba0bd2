import { defineMachineControl, type Observation } from '../control.ts';
import { observeTally } from '../probes/tally.ts';
import { readAppendOnlyTally } from '../probes/trail.store.ts';

export const auditAppendOnly = defineMachineControl({
  name: 'audit-append-only',
  title: 'Sealed events can only be appended: a trigger and the rights of both roles refuse changes',
  clause: '164.312(c)(1)',
  profile: 'current',
  requirement: 'required',
  population: 'three triggers and six rights on the table of sealed events',
  probe: 'Reads the triggers of audit_events and the rights of sallyport_app and sallyport_sealer from the catalogue',
  probeVersion: 1,
  evidence: 'Triggers that are missing or disabled, and rights that a role has too many',
  pace: 'frequent',
  threat: 'An insider edits or deletes audit events',
  humanDuty: 'Limit who can connect as the owner of the tables.',
  check: async ({ sql }): Promise<Observation> =>
    observeTally(await readAppendOnlyTally(sql), 'sealed events can be changed'),
});
