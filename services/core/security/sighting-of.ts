import type { AuditEventView } from '../audit/read/event-view.ts';
import type { ActedOn } from './act-on-incident.ts';
import {
  accountTakeover,
  agentAnomaly,
  breakGlass,
  credentialStuffing,
  impossibleTravel,
  type machineSignUps,
  passwordGuessing,
  type privilegeBurst,
  refreshTokenOveruse,
  refreshTokenReuse,
  signalStorm,
  stateRewoundDetected,
  tokenReplay,
  type tokenTheft,
  unusualPasskey,
} from './detections.ts';
import type { IncidentSubject } from './incident-shapes.ts';

type KnownDetection =
  | typeof accountTakeover
  | typeof agentAnomaly
  | typeof breakGlass
  | typeof credentialStuffing
  | typeof impossibleTravel
  | typeof machineSignUps
  | typeof passwordGuessing
  | typeof privilegeBurst
  | typeof refreshTokenOveruse
  | typeof refreshTokenReuse
  | typeof signalStorm
  | typeof stateRewoundDetected
  | typeof tokenReplay
  | typeof tokenTheft
  | typeof unusualPasskey;

/** A sighting of a detection in an event. */
export type SightingOf = {
  readonly detection: KnownDetection;
  readonly target: IncidentSubject;
  readonly detail: Readonly<Record<string, unknown>>;
  readonly on: ActedOn;
};

/** Types of the events that any detection reads. */
export const WATCHED_TYPES = [
  'user.login',
  'user.login_locked',
  'token.refresh_reused',
  'token.refresh_overused',
  'token.state_rewound',
  'token.replay_detected',
  'phi.break_glass_opened',
  'agent.credentials_checked',
  'signoff.refused',
  'signal.limited',
] as const;

const INSTALLATION: IncidentSubject = { kind: 'installation', id: 'sallyport' };

const memberOf = (event: AuditEventView, name: string): string | undefined => {
  const value = event.detail[name];
  return typeof value === 'string' && value !== '' ? value : undefined;
};

/** The user if the event has one, else an identifier, a client or the installation. */
function subjectOf(event: AuditEventView): IncidentSubject {
  const userId = event.target?.kind === 'user' ? event.target.id : memberOf(event, 'user_id');
  if (userId) return { kind: 'user', id: userId };
  const identifier = memberOf(event, 'identifier');
  if (identifier) return { kind: 'identifier', id: identifier };
  return event.client_id === null ? INSTALLATION : { kind: 'client', id: event.client_id };
}

const userOf = (subject: IncidentSubject): ActedOn => (subject.kind === 'user' ? { userId: subject.id } : {});

/** The sightings in one sealed event, from that event alone; most have none. */
export function sightingsOf(event: AuditEventView): SightingOf[] {
  const target = subjectOf(event);
  const detail = { seq: event.seq };
  const on = userOf(target);
  switch (event.type) {
    case 'user.login_locked': {
      const isNetwork = event.detail.of === 'network';
      const networkKey = memberOf(event, 'identifier');
      if (isNetwork && networkKey !== undefined)
        return [
          { detection: credentialStuffing, target: { kind: 'network', id: networkKey }, detail, on: { networkKey } },
        ];
      return [{ detection: passwordGuessing, target, detail: { ...detail, failures: event.detail.failures }, on }];
    }
    case 'token.refresh_reused':
      return [{ detection: refreshTokenReuse, target, detail: { ...detail, family_id: event.target?.id }, on }];
    case 'token.refresh_overused':
      return [{ detection: refreshTokenOveruse, target, detail: { ...detail, family_id: event.target?.id }, on }];
    case 'token.replay_detected':
      return [{ detection: tokenReplay, target, detail, on }];
    case 'token.state_rewound':
      return [{ detection: stateRewoundDetected, target: INSTALLATION, detail, on: {} }];
    case 'signal.limited': {
      const transmitterId = memberOf(event, 'transmitter_id');
      return [
        {
          detection: signalStorm,
          // One incident for each transmitter.
          target: { kind: 'installation', id: transmitterId ?? INSTALLATION.id },
          detail: { ...detail, transmitter_id: transmitterId },
          on: {},
        },
      ];
    }
    case 'phi.break_glass_opened':
      return [
        { detection: breakGlass, target, detail: { ...detail, break_glass_id: event.detail.break_glass_id }, on: {} },
      ];
    case 'agent.credentials_checked':
    case 'signoff.refused':
      return agentSightings(event);
    case 'user.login':
      return isFromUnknownDevice(event) ? signInSightings(event, target) : [];
    default:
      return [];
  }
}

/** Only what agents do counts. An act that started before is a retry, and a wrong secret a mistake: neither is an anomaly. */
const AGENT_ANOMALIES: ReadonlySet<unknown> = new Set(['signoff_arguments_changed', 'disabled']);

function agentSightings(event: AuditEventView): SightingOf[] {
  const { code } = event.detail;
  const agentId = event.type === 'signoff.refused' ? memberOf(event, 'agent_id') : event.target?.id;
  if (!agentId || !AGENT_ANOMALIES.has(code)) return [];
  const target = { kind: 'client', id: agentId } as const;
  return [{ detection: agentAnomaly, target, detail: { seq: event.seq, code }, on: {} }];
}

/** Whether the event is a successful sign-in from an unknown device (`identity/sign-in/sign-in-origin.ts`). */
const isFromUnknownDevice = ({ outcome, detail }: AuditEventView): boolean =>
  outcome === 'ok' && detail.known_device === false;

function signInSightings(event: AuditEventView, target: IncidentSubject): SightingOf[] {
  const sessionId = memberOf(event, 'session_id');
  const elsewhere = memberOf(event, 'elsewhere');
  const isSuspect = event.detail.suspect_network === true;
  if (!isSuspect && elsewhere === undefined) return [];
  const on = { ...userOf(target), since: event.occurred_at, ...(sessionId === undefined ? {} : { sessionId }) };
  const detail = {
    seq: event.seq,
    factor: event.detail.factor,
    session_id: sessionId,
    ...(elsewhere === undefined ? {} : { other_session_id: elsewhere }),
  };
  if (event.detail.factor === 'passkey') return [{ detection: unusualPasskey, target, detail, on }];
  return [{ detection: isSuspect ? accountTakeover : impossibleTravel, target, detail, on }];
}
