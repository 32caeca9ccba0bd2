import { defineCounter } from './instruments.ts';

/** Every detection with its severity; another name does not compile. */
export const detectionSeverities = {
  password_guessing: 'medium',
  credential_stuffing: 'high',
  failed_login_ratio: 'high',
  account_takeover: 'critical',
  impossible_travel: 'medium',
  unusual_passkey: 'low',
  refresh_token_reuse: 'high',
  signal_storm: 'high',
  refresh_token_overuse: 'low',
  token_replay: 'high',
  break_glass: 'high',
  reported_incident: 'high',
  agent_anomaly: 'high',
  token_theft: 'high',
  privilege_burst: 'high',
  machine_sign_ups: 'medium',
  state_rewound: 'critical',
  event_unjudged: 'high',
} as const;

export type DetectionName = keyof typeof detectionSeverities;
type DetectionSeverity = 'low' | 'medium' | 'high' | 'critical';

export const incidentsRaised = defineCounter({
  name: 'sallyport_incidents',
  help: 'Security incidents raised, by detection and severity; further sightings of an open one are not counted.',
  labels: {
    detection: Object.keys(detectionSeverities) as readonly DetectionName[],
    severity: ['low', 'medium', 'high', 'critical'],
  },
});

export const detectionFailures = defineCounter({
  name: 'sallyport_detection_failures',
  help: 'Failed attempts to evaluate an event: retried, or the last, after which the event is set aside.',
  labels: { outcome: ['retried', 'set_aside'] },
});

// Exists at zero from the start, so that alerts see the first one as a step.
for (const [detection, severity] of Object.entries(detectionSeverities) as [DetectionName, DetectionSeverity][])
  incidentsRaised.at({ detection, severity });
