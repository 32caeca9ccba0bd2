import { LEGACY_AUDIENCE, type LegacyProvider } from '../testing/fakes/legacy-provider.ts';

/** Events that are pushed to the receiver: those of which a run has enough, and not so many that they queue for minutes. */
export const HANDOFF_TYPES: readonly string[] = [
  'user.login',
  'session.created',
  'session.renewed',
  'session.ended',
  'agent.registered',
  'agent.killed',
  'signoff.requested',
  'signoff.decided',
  'signoff.started',
  'signoff.finished',
];

export const PRODUCT_URL = 'http://auth.chaos.test';

/** Settings of both copies. @param receiver of what leaves the product @param provider that is being replaced */
export const settingsOf = (
  receiver: { readonly endpoint: string; readonly siemTarget: string },
  provider: LegacyProvider,
): Readonly<Record<string, string>> => ({
  BETTER_AUTH_URL: PRODUCT_URL,
  // Rotations that a run lives to see.
  KEY_PREPUBLISH_SECONDS: '5',
  JWKS_MAX_AGE_SECONDS: '5',
  HANDOFF_ENDPOINTS: receiver.endpoint,
  SIEM_TARGETS: receiver.siemTarget,
  SIEM_PRIVATE: 'true',
  HANDOFF_PRIVATE: 'true',
  ALERTS_PRIVATE: 'true',
  SIGNALS_PRIVATE: 'true',
  BACKCHANNEL_LOGOUT_PRIVATE: 'true',
  HANDOFF_TYPES: HANDOFF_TYPES.join(','),
  LEGACY_ISSUER: provider.issuer,
  LEGACY_JWKS_URI: provider.jwksUri,
  LEGACY_AUDIENCE,
  LEGACY_BRIDGE_UNTIL: new Date(Date.now() + 86_400_000).toISOString(),
});
