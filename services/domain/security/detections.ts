import { STUFFING_NAMES } from '../identity/sign-in/forgive-sign-in.ts';
import type { Severity } from './incident-shapes.ts';

/**
 * What is done without asking. `end_session`: the session that was just begun ends, and
 * where it was replaced, or more was opened since, every login and API key of the user; `block_network`: for an hour no
 * password from an unknown device is looked at there; `revoke_sessions`: every session and token of the user ends;
 * `step_up`: the next sign-in takes more than the password, as after a hundred wrong ones, and more than another
 * provider (a passkey, a second factor after the provider, a mailed code or an administrator); the owner is mailed that
 * code unasked, once for a closing. All but the block forget the devices of the account: the cookie that a thief got
 * with the session is no way back in.
 */
export type Action = 'end_session' | 'block_network' | 'revoke_sessions' | 'step_up';

/** A declared policy: what counts as an incident, how bad it is, and what is done about it at once. */
export type Detection = {
  readonly name: string;
  readonly severity: Severity;
  readonly meaning: string;
  readonly actions: readonly Action[];
};

/** Declares a detection: `defineDetection({ name: 'credential_stuffing', severity: 'high', … })`. */
const defineDetection = <const Name extends string>(
  detection: Detection & { readonly name: Name },
): Detection & { readonly name: Name } => detection;

export const passwordGuessing = defineDetection({
  name: 'password_guessing',
  severity: 'medium',
  meaning: 'The passwords of one account were guessed until it was locked for unknown devices.',
  actions: [],
});

export const credentialStuffing = defineDetection({
  name: 'credential_stuffing',
  severity: 'high',
  meaning: `From one network the passwords of ${STUFFING_NAMES} names were tried within 15 minutes, and most were wrong.`,
  actions: ['block_network'],
});

export const failedLoginRatio = defineDetection({
  name: 'failed_login_ratio',
  severity: 'high',
  meaning: 'Of the last 200 sign-ins, all within ten minutes, nine of ten were refused: guessing from many networks.',
  actions: [],
});

export const accountTakeover = defineDetection({
  name: 'account_takeover',
  severity: 'critical',
  meaning: 'Somebody got in from an unknown device in a network from which many names were being tried.',
  actions: ['revoke_sessions', 'step_up'],
});

/** Without a map of addresses: two networks and two devices at once, one of them new, is the honest signal there is. */
export const impossibleTravel = defineDetection({
  name: 'impossible_travel',
  severity: 'medium',
  meaning:
    'A sign-in from an unknown device in another network, within ten minutes of a sign-in of the same user elsewhere.',
  actions: ['end_session', 'step_up'],
});

/** No page elsewhere gets a passkey out of its holder, and nothing stronger could be asked for. */
export const unusualPasskey = defineDetection({
  name: 'unusual_passkey',
  severity: 'low',
  meaning:
    'A passkey signed in from an unknown device where many names were being tried, or while its user was active elsewhere.',
  actions: [],
});

/** The rotation itself has ended the login and its tokens. */
export const refreshTokenReuse = defineDetection({
  name: 'refresh_token_reuse',
  severity: 'high',
  meaning: 'A used refresh token came back: two holders of one login, which has ended.',
  actions: [],
});

export const refreshTokenOveruse = defineDetection({
  name: 'refresh_token_overuse',
  severity: 'low',
  meaning: 'A refresh token was presented more often than its grace allows; nothing has ended.',
  actions: [],
});

export const tokenReplay = defineDetection({
  name: 'token_replay',
  severity: 'high',
  meaning: 'An access token was shown from another address or by another agent than its first holder.',
  actions: [],
});

export const stateRewound = defineDetection({
  name: 'state_rewound',
  severity: 'critical',
  meaning: 'A refresh token is newer than its row: the database has lost commits.',
  actions: [],
});

/** Raised by the detections about themselves. */
export const eventUnjudged = defineDetection({
  name: 'event_unjudged',
  severity: 'high',
  meaning:
    'Handling an event failed ten times within a quarter of an hour: whatever it is about, nothing was done. Other events went on.',
  actions: [],
});

/** Every detection there is. */
export const detections = [
  passwordGuessing,
  credentialStuffing,
  failedLoginRatio,
  accountTakeover,
  impossibleTravel,
  unusualPasskey,
  refreshTokenReuse,
  refreshTokenOveruse,
  tokenReplay,
  stateRewound,
  eventUnjudged,
] as const;
