/** Events that are handed off: those of which a run has enough, and not so many that they queue for minutes. */
export const HANDOFF_TYPES: readonly string[] = `user.login session.created session.renewed session.ended
  agent.registered agent.killed signoff.requested signoff.decided signoff.started signoff.finished`.split(/\s+/);

export const PRODUCT_URL = 'http://auth.chaos.test';
/** A server that vouches for users. */
export const IDENTITY_PROVIDER = 'https://idp.chaos.test';

/** Settings of both copies. @param endpoint of the receiver of hand-offs */
export const settingsOf = (endpoint: string): Readonly<Record<string, string>> => ({
  BETTER_AUTH_URL: PRODUCT_URL,
  // Rotations that a run lives to see.
  KEY_PREPUBLISH_SECONDS: '5',
  JWKS_MAX_AGE_SECONDS: '5',
  HANDOFF_ENDPOINTS: endpoint,
  HANDOFF_PRIVATE: 'true',
  HANDOFF_TYPES: HANDOFF_TYPES.join(','),
  SOCIAL_PROVIDERS: JSON.stringify({ work: { clientId: 'chaos', issuer: IDENTITY_PROVIDER } }),
  CLIENT_DOCUMENTS_PRIVATE: 'true',
});
