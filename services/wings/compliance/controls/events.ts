import { checked, type Observation } from '../control.ts';
import { readingOn } from '../probes/read-on.ts';
import { tallied } from '../probes/tally.store.ts';
import { incidentsTally, readActorlessPage, readAddressesPage, readDetection } from '../probes/trail.store.ts';

const WAIT_MAX_SECONDS = 300;

/** Values that must not be in a line of the log, by the field or text they come in. */
const CANARIES = [
  ['password field', { password: 'canary-password-7f3a' }, 'canary-password-7f3a'],
  ['e-mail address in text', { msg: 'mail to canary-mail@example.test failed' }, 'canary-mail@example.test'],
  ['token in text', { msg: 'got eyJhbGciOiJFZERTQSJ9.canary-claims.canary-mac' }, 'canary-claims'],
  ['address field', { remoteAddress: '203.0.113.77' }, '203.0.113.77'],
  ['URL with credentials', { msg: 'connect postgres://canary-user:canary-pass@db/x' }, 'canary-pass'],
  ['cookie in a nested header', { req: { headers: { cookie: 'session=canary-cookie' } } }, 'canary-cookie'],
  ['private key', { msg: '-----BEGIN PRIVATE KEY-----canary-key-----END PRIVATE KEY-----' }, 'canary-key'],
] as const;

/** What audit events contain, and that they are evaluated. */
export const eventsControls = [
  checked({
    name: 'events-have-actors',
    title: 'Every audit event names its actor',
    clause: '164.312(b)',
    population: 'sealed events',
    probe: 'Reads the sealed events on from where it stopped, and finds those of a known kind of actor without an id',
    probeVersion: 2,
    evidence:
      'Number of the last event read, and numbers and types of those without an actor that are not acknowledged',
    threat: 'An action cannot be traced to a person',
    humanDuty: 'Review the events (see the report of the audit log).',
    check: readingOn((ports, place) => readActorlessPage(ports.sql, place), 'the event has no actor'),
  }),
  checked({
    name: 'events-reviewed',
    title: 'Detections evaluate every audit event within five minutes',
    clause: '164.308(a)(1)(ii)(D)',
    population: 'sealed events',
    probe: 'Reads how long the next event has waited for the detections, and events whose evaluation failed for good',
    evidence: 'Numbers of the newest and of the last evaluated event, waiting time, events set aside',
    threat: 'An attack stays undetected',
    humanDuty: 'Review reports of activity, and sign that they were reviewed.',
    check: async ({ sql }): Promise<Observation> => {
      const { seq, newest, waiting_seconds: waitingSeconds, set_aside: setAside } = await readDetection(sql);
      const isLate = waitingSeconds > WAIT_MAX_SECONDS;
      return {
        population: newest === null ? 0 : newest + 1,
        exceptions: [
          ...(isLate ? [{ resource: `event ${seq + 1}`, why: 'detections are more than five minutes behind' }] : []),
          ...(setAside > 0 ? [{ resource: 'events set aside', why: 'events were set aside without evaluation' }] : []),
        ],
        observed: {
          evaluated_seq: seq,
          newest_seq: newest,
          waiting_seconds: Math.round(waitingSeconds),
          set_aside: setAside,
        },
      };
    },
  }),
  checked({
    name: 'incidents-reviewed',
    title: 'A person acknowledges every severe incident within three days',
    clause: '164.308(a)(6)(ii)',
    population: 'incidents',
    probe: 'Finds incidents of high or critical severity that have been open for more than 72 hours',
    evidence: 'Number of incidents, and ids of those not acknowledged',
    threat: 'An attack is detected and no person acts',
    humanDuty: 'Respond to incidents, and document the outcome.',
    check: tallied(incidentsTally, 'the incident was not acknowledged for 72 hours'),
  }),
  checked({
    name: 'events-without-personal-data',
    title: 'Audit events contain no e-mail address, network address or token in clear',
    clause: '164.502(b)',
    population: 'sealed events',
    probe:
      'Searches all that the sealed events show (type, outcome, ids and details), on from where it stopped, for the shapes of addresses and tokens other than the addresses of the installation and its applications',
    probeVersion: 3,
    evidence:
      'Number of the last event read, and numbers and types of those with such a value that are not acknowledged',
    threat: 'The audit log itself leaks personal data',
    humanDuty:
      'Write no personal data into the reasons of changes. Acknowledge the events that contain some, once you know how it got there.',
    check: readingOn(
      (ports, place) => readAddressesPage(ports.sql, place, ports.installation.ownAddresses),
      'the event contains an address or a token in clear',
    ),
  }),
  checked({
    name: 'log-lines-redacted',
    title: 'Log lines pass a redaction that removes credentials and personal data',
    clause: '164.502(b)',
    population: 'planted values',
    probe: 'Sends seven lines with planted credentials and addresses through the redaction of this process',
    evidence: 'Kinds of values that the redaction let through',
    threat: 'Credentials or personal data leave through logs and error reports',
    humanDuty: 'Control who reads logs and traces.',
    check: async ({ installation }): Promise<Observation> => {
      const leaked = CANARIES.filter(([, fields, value]) =>
        installation.redactLine(`${JSON.stringify(fields)}\n`).includes(value),
      );
      return {
        population: CANARIES.length,
        exceptions: leaked.map(([kind]) => ({ resource: kind, why: 'the redaction lets the value through' })),
        observed: { kinds: CANARIES.map(([kind]) => kind), leaked: leaked.map(([kind]) => kind) },
      };
    },
  }),
] as const;
