import { defineMachineControl, type Observation } from '../control.ts';
import { readLogOn } from '../probes/read-on.ts';
import { readActorlessPage } from '../probes/trail.store.ts';

const NAME = 'events-have-actors';
const PROBE_VERSION = 2;

export const eventsHaveActors = defineMachineControl({
  name: NAME,
  title: 'Every audit event names its actor',
  clause: '164.312(b)',
  profile: 'current',
  requirement: 'required',
  population: 'sealed events',
  probe: 'Reads the sealed events on from where it stopped, and finds those of a known kind of actor without an id',
  probeVersion: PROBE_VERSION,
  evidence: 'Number of the last event read, and numbers and types of those without an actor that are not acknowledged',
  pace: 'frequent',
  threat: 'An action cannot be traced to a person',
  humanDuty: 'Review the events (see the report of the audit log).',
  check: (ports, signal): Promise<Observation> =>
    readLogOn(
      ports,
      { name: NAME, probeVersion: PROBE_VERSION },
      (place) => readActorlessPage(ports.sql, place),
      'the event has no actor',
      signal,
    ),
});
