/** What a stream of authentication sends: sign-ins, sessions, token families, second factors and what detections watch. */
export const AUTHENTICATION_TYPES = [
  'user.login',
  'user.login_locked',
  'user.unlocked',
  'user.created',
  'user.stepped_up',
  'code.refused',
  'session.created',
  'session.ended',
  'token.family_created',
  'token.family_ended',
  'token.refresh_reused',
  'token.replay_detected',
  'token.revoked',
  'user.tokens_revoked',
  'incident.raised',
  'incident.acted',
] as const;

/** Types of the sealed events that are counted by hour. The dashboard, reports and forecasts read these counts only. */
export const COUNTED_TYPES = [
  ...AUTHENTICATION_TYPES,
  'token.issued',
  'token.refreshed',
  'token.validations',
  'client.tokens_revoked',
  'key.compromised',
  'api_key.revoked',
  'access.denied',
  'limit.bypassed',
] as const;
export type CountedType = (typeof COUNTED_TYPES)[number];

/** Outcomes of `user.login` that end an attempt. `second_factor_asked` does not: the second factor has an event of its own. */
export const LOGIN_FAILURES = ['refused', 'locked'] as const;

/** Accepted requests to revoke, and ends by an administrator or an incident. */
export const REVOCATION_TYPES = [
  'token.revoked',
  'user.tokens_revoked',
  'client.tokens_revoked',
  'api_key.revoked',
  'key.compromised',
] as const satisfies readonly CountedType[];
