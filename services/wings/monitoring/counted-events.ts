/** Types of the sealed events that are counted by hour. The dashboard, reports and forecasts read these counts only. */
export const COUNTED_TYPES = [
  'user.login',
  'user.login_locked',
  'user.unlocked',
  'user.created',
  'user.stepped_up',
  'code.refused',
  'session.created',
  'session.ended',
  'token.issued',
  'token.family_created',
  'token.family_ended',
  'token.refreshed',
  'token.refresh_reused',
  'token.replay_detected',
  'token.revoked',
  'token.validations',
  'user.tokens_revoked',
  'client.tokens_revoked',
  'key.compromised',
  'api_key.revoked',
  'access.denied',
  'limit.bypassed',
  'incident.raised',
  'incident.acted',
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
