import { defineMachineControl, type Observation } from '../control.ts';
import { readLogOn } from '../probes/read-on.ts';
import { readAddressesPage } from '../probes/trail.store.ts';

const NAME = 'events-without-personal-data';
const PROBE_VERSION = 2;

export const eventsWithoutPersonalData = defineMachineControl({
  name: NAME,
  title: 'Audit events contain no e-mail address, network address or token in clear',
  clause: '164.502(b)',
  profile: 'current',
  requirement: 'required',
  population: 'sealed events',
  probe:
    'Searches the details of the sealed events, on from where it stopped, for the shapes of addresses and tokens other than the addresses of the installation and its applications',
  probeVersion: PROBE_VERSION,
  evidence: 'Number of the last event read, and numbers and types of those with such a value that are not acknowledged',
  pace: 'frequent',
  threat: 'The audit log itself leaks personal data',
  humanDuty:
    'Write no personal data into the reasons of changes. Acknowledge the events that contain some, once you know how it got there.',
  check: (ports, signal): Promise<Observation> =>
    readLogOn(
      ports,
      { name: NAME, probeVersion: PROBE_VERSION },
      (place) => readAddressesPage(ports.sql, place, ports.installation.ownAddresses),
      'the event contains an address or a token in clear',
      signal,
    ),
});
