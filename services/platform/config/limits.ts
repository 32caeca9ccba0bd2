import type { SettingsOf } from '../define/setting.ts';
import { defineSettings } from '../define/setting.ts';
import { optionalOneOf, roleFactors, wholeNumber } from './shapes.ts';

const perWindow = (fallback: number) => wholeNumber(fallback, 1, 1_000_000_000);

export const limitSettings = defineSettings({
  profile: {
    env: 'RATE_LIMIT_PROFILE',
    schema: optionalOneOf(['default', 'development', 'load']),
    use: '`development` multiplies every limit by 20, so that a developer can experiment; `load` by 1,000, for load tests from one machine. Production refuses to start with either. Unset: `development` under the development profile, else `default`.',
  },
  globalPerSecond: {
    env: 'RATE_LIMIT_GLOBAL_PER_SECOND',
    schema: perWindow(5_000),
    use: 'Requests per second of all callers together, summed over all API processes; one address gets at most a quarter. Authenticated clients that an administrator registered share a separate limit of the same size.',
  },
  userPerMinute: {
    env: 'RATE_LIMIT_USER_PER_MINUTE',
    schema: perWindow(300),
    use: 'Requests a minute of one user, over all its sessions and addresses.',
  },
  roleFactors: {
    env: 'RATE_LIMIT_ROLE_FACTORS',
    schema: roleFactors(),
    use: 'Factors by role that multiply RATE_LIMIT_USER_PER_MINUTE, such as agent=5,operator=2. The largest factor of a user’s roles applies.',
  },
  addressPerMinute: {
    env: 'RATE_LIMIT_ADDRESS_PER_MINUTE',
    schema: perWindow(600),
    use: 'Ordinary requests a minute from one address (IPv6: /64).',
  },
  credentialPerMinute: {
    env: 'RATE_LIMIT_CREDENTIAL_PER_MINUTE',
    schema: perWindow(10),
    use: 'Sign-ins, sign-ups, codes and resets a minute from one address.',
  },
  tokenPerMinute: {
    env: 'RATE_LIMIT_TOKEN_PER_MINUTE',
    schema: perWindow(6_000),
    use: 'Tokens issued, refreshed and revoked a minute from one address.',
  },
  validatePerMinute: {
    env: 'RATE_LIMIT_VALIDATE_PER_MINUTE',
    schema: perWindow(60_000),
    use: 'Validations and introspections a minute from one address, or of one authenticated client.',
  },
  logPerMinute: {
    env: 'RATE_LIMIT_LOG_PER_MINUTE',
    schema: perWindow(3_000),
    use: 'Tiles and checkpoints of the public audit log a minute from one address; a tile is 256 events.',
  },
  clientPerMinute: {
    env: 'RATE_LIMIT_CLIENT_PER_MINUTE',
    schema: perWindow(6_000),
    use: 'Requests a minute of one authenticated client, from all addresses.',
  },
  streamsPerClient: {
    env: 'REVOCATION_STREAMS_PER_CLIENT',
    schema: wholeNumber(20, 1, 1_000),
    use: 'Maximum number of revocation streams that one caller may have open at one API process.',
  },
  openSignOffsPerRequester: {
    env: 'SIGNOFFS_OPEN_PER_REQUESTER',
    schema: wholeNumber(50, 1, 10_000),
    use: 'Maximum number of sign-offs of one agent or user that are pending, approved or running and have not expired.',
  },
});

/** Rate limits as configured; the profile is not yet applied. */
export type RateLimitConfig = SettingsOf<typeof limitSettings>;

export type RateLimitProfile = NonNullable<RateLimitConfig['profile']>;

/** The profile of the limits: as set, else by the profile of the installation. */
export const rateLimitProfileOf = (config: {
  readonly server: { readonly profile: string };
  readonly limits: Pick<RateLimitConfig, 'profile'>;
}): RateLimitProfile => config.limits.profile ?? (config.server.profile === 'development' ? 'development' : 'default');

export const UNRESOLVED_ADDRESS_FIX =
  'set TRUSTED_PROXIES to the addresses of your load balancer; if clients connect directly, no action is needed';

/** A warning, or null. Behind a proxy that is not listed, all clients share one address. */
export const unresolvedAddressWarning = (server: {
  readonly profile: string;
  readonly trustedProxies: readonly string[];
}): string | null =>
  server.profile === 'production' && server.trustedProxies.length === 0
    ? `no TRUSTED_PROXIES: behind a proxy all clients would share one address; ${UNRESOLVED_ADDRESS_FIX}`
    : null;
