import { defineMachineControl, type Observation } from '../control.ts';
import { observeTally } from '../probes/tally.ts';
import { readActorlessTally } from '../probes/trail.store.ts';

export const eventsHaveActors = defineMachineControl({
  name: 'events-have-actors',
  title: 'Every audit event names its actor',
  clause: '164.312(b)',
  profile: 'current',
  requirement: 'required',
  population: 'the last thousand sealed events',
  probe: 'Reads the last thousand sealed events and finds those of a known kind of actor without an id',
  probeVersion: 1,
  evidence: 'Number of events read, and numbers of those without an actor',
  pace: 'frequent',
  threat: 'An action cannot be traced to a person',
  humanDuty: 'Review the events (see the report of the audit log).',
  check: async ({ sql }): Promise<Observation> => observeTally(await readActorlessTally(sql), 'the event has no actor'),
});
