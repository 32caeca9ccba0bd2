import { STUFFING_NAMES } from '../identity/sign-in/sign-in-guard.ts';
import type { Severity } from './incident-shapes.ts';

/** An immediate action: what it did, and how that is undone. Read on the page of an incident and in the reference. */
type ActionTexts = { readonly effect: string; readonly undo: string };

/**
 * Immediate actions. All but `block_network` forget the devices of the account, so that an attacker's device cookie loses
 * its effect.
 */
export const actions = {
  end_session: {
    effect:
      'The new session ended, the known devices of the account were forgotten, and what was added to the account since the sign-in was removed: second factors, linked accounts, API keys, consents. If that session was already replaced, or another was opened, every session, token and API key of the user ended.',
    undo: 'What ended does not come back: the user signs in again, and adds again what they had added themselves.',
  },
  block_network: {
    effect:
      'For an hour, passwords from unknown devices in this network are refused. Known devices and passkeys sign in as before.',
    undo: 'It ends by itself after an hour. Until then a user in this network signs in with a passkey, or unlocks the browser by a mailed code at /account/unlock.',
  },
  revoke_sessions: {
    effect:
      'Every session, token and API key of the user ended, and the known devices of the account were forgotten. If one sign-in was the cause, what was added to the account since was removed too.',
    undo: 'What ended does not come back: the user signs in again, and makes new API keys.',
  },
  step_up: {
    effect:
      'From an unknown device, neither the password alone nor another provider alone signs in: a passkey, a second factor after the provider, or a mailed code does. A code was mailed to the verified address of the account, once per block.',
    undo: 'The owner enters the mailed code, or asks for one at /account/unlock. An administrator can unlock the account too, after its password was reset: until then an attacker may know it.',
  },
} as const satisfies Readonly<Record<string, ActionTexts>>;
export type Action = keyof typeof actions;

/** A declared policy: what is an incident, in one sentence, its severity, and the immediate actions. */
export type Detection = {
  readonly name: string;
  readonly severity: Severity;
  readonly meaning: string;
  /** None by default. */
  readonly actions: readonly Action[];
};

/** Declares a detection: `defineDetection({ name: 'credential_stuffing', severity: 'high', … })`. */
const defineDetection = <const Name extends string>(
  detection: Omit<Detection, 'actions'> & Partial<Detection> & { readonly name: Name },
): Detection & { readonly name: Name } => ({ actions: [], ...detection });

export const passwordGuessing = defineDetection({
  name: 'password_guessing',
  severity: 'medium',
  meaning: 'Failed passwords for one account locked it for unknown devices.',
});

export const credentialStuffing = defineDetection({
  name: 'credential_stuffing',
  severity: 'high',
  meaning: `One network tried passwords for ${STUFFING_NAMES} user names within 15 minutes, and most were wrong.`,
  actions: ['block_network'],
});

export const failedLoginRatio = defineDetection({
  name: 'failed_login_ratio',
  severity: 'high',
  meaning: 'Nine of ten of the last 200 sign-ins, all within ten minutes, were refused: guessing from many networks.',
});

export const accountTakeover = defineDetection({
  name: 'account_takeover',
  severity: 'critical',
  meaning: 'A sign-in succeeded from an unknown device in a network that was trying many user names.',
  actions: ['revoke_sessions', 'step_up'],
});

/** Two countries if both are known, else two networks and two devices at once, one of them new. */
export const impossibleTravel = defineDetection({
  name: 'impossible_travel',
  severity: 'medium',
  meaning:
    'A user signed in from an unknown device in a country that they had no time to travel to; or, where no country is known, in another network within ten minutes of activity elsewhere.',
  actions: ['end_session', 'step_up'],
});

/** No action: passkeys resist phishing, and no stronger factor could be required. */
export const unusualPasskey = defineDetection({
  name: 'unusual_passkey',
  severity: 'low',
  meaning:
    'A passkey sign-in from an unknown device, in a network that was trying many user names or while the user was active elsewhere.',
});

/** No action: an emergency is not interrupted. A privacy officer reviews the access. */
export const breakGlass = defineDetection({
  name: 'break_glass',
  severity: 'high',
  meaning: 'A user opened emergency access to the health data of a person; another user must review it.',
});

/** No action: an agent that is not killed may have been given other arguments by mistake. Its owner can kill it. */
export const agentAnomaly = defineDetection({
  name: 'agent_anomaly',
  severity: 'high',
  meaning:
    'An agent tried to run an act with other arguments than those that people approved, or credentials of a killed, expired or disabled agent were used, or an agent left its own past in two ways at once: new kinds of acts, rate, hours, refusals.',
});

/** No action: what the limit refuses may be meant. An administrator can remove the transmitter. */
export const signalStorm = defineDetection({
  name: 'signal_storm',
  severity: 'high',
  meaning: 'A transmitter of shared signals ended the sessions of more users within a minute than it may.',
});

/** The user signs in again; the thief cannot. */
export const tokenTheft = defineDetection({
  name: 'token_theft',
  severity: 'high',
  meaning: 'Two programs in two networks used the refresh tokens of one family at the same time.',
  actions: ['revoke_sessions'],
});

/** The administrator signs in again. What was granted stays until another administrator has looked at it. */
export const privilegeBurst = defineDetection({
  name: 'privilege_burst',
  severity: 'high',
  meaning:
    'One user or client gave rights to administer this installation three times within ten minutes: roles, permissions of roles, API keys or scopes of clients.',
  actions: ['revoke_sessions'],
});

/** No action: many people may share the network. */
export const machineSignUps = defineDetection({
  name: 'machine_sign_ups',
  severity: 'medium',
  meaning:
    'At least twelve accounts within half an hour from one network, or with counted addresses of one pattern, whose mail was not read.',
});

/** The rotation itself has already ended the token family. */
export const refreshTokenReuse = defineDetection({
  name: 'refresh_token_reuse',
  severity: 'high',
  meaning: 'A used refresh token was presented again, so two parties had it; the token family has ended.',
});

export const refreshTokenOveruse = defineDetection({
  name: 'refresh_token_overuse',
  severity: 'low',
  meaning: 'A refresh token was presented more often than its grace window allows; no session ended.',
});

export const tokenReplay = defineDetection({
  name: 'token_replay',
  severity: 'high',
  meaning: 'An access token was presented from another address or user agent than at first.',
});

export const stateRewoundDetected = defineDetection({
  name: 'state_rewound',
  severity: 'critical',
  meaning: 'A refresh token is newer than its database row: the database has lost commits.',
});

/** The application says what kind and how severe it is. */
export const reportedIncident = defineDetection({
  name: 'reported_incident',
  severity: 'high',
  meaning: 'An application that embeds Sallyport reported an incident, with a type and a severity of its own.',
});

/** A failure of detection itself. */
export const eventUnevaluated = defineDetection({
  name: 'event_unjudged',
  severity: 'high',
  meaning:
    'Handling an event failed ten times within a quarter of an hour, so no action was taken for it. Other events are not affected.',
});

export const detections = [
  passwordGuessing,
  credentialStuffing,
  failedLoginRatio,
  accountTakeover,
  impossibleTravel,
  unusualPasskey,
  refreshTokenReuse,
  signalStorm,
  refreshTokenOveruse,
  tokenReplay,
  breakGlass,
  reportedIncident,
  agentAnomaly,
  tokenTheft,
  privilegeBurst,
  machineSignUps,
  stateRewoundDetected,
  eventUnevaluated,
] as const;
