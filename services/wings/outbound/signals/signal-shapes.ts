/** Names of OpenID CAEP 1.0 and SSF 1.0, and our short names of them. */
const CAEP = 'https://schemas.openid.net/secevent/caep/event-type/';
export const CAEP_EVENTS = {
  'session-revoked': `${CAEP}session-revoked`,
  'credential-change': `${CAEP}credential-change`,
  'assurance-level-change': `${CAEP}assurance-level-change`,
} as const;
type CaepEvent = keyof typeof CAEP_EVENTS;
export const VERIFICATION = 'https://schemas.openid.net/secevent/ssf/event-type/verification';

/** What ends access here. */
export const ENDING = ['session-revoked', 'credential-change'] as const satisfies readonly CaepEvent[];

export const STREAM_STATES = ['enabled', 'paused', 'disabled'] as const;
export type StreamState = (typeof STREAM_STATES)[number];

export const SIGNAL_OUTCOMES = ['applied', 'no_user', 'ignored'] as const;
export type SignalOutcome = (typeof SIGNAL_OUTCOMES)[number];

/** RFC 8935 §2.4. */
export const SET_ERRORS = [
  'invalid_request',
  'invalid_key',
  'invalid_issuer',
  'invalid_audience',
  'authentication_failed',
] as const;
export type SetErrorCode = (typeof SET_ERRORS)[number];
