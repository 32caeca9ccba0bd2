import { limitSettings, type RateLimitConfig, type RateLimitProfile } from '#services/platform/config/limits.ts';
import type { RateClass } from '#services/platform/define/endpoint.ts';
import type { RateBucket } from '../ports.ts';

type RateLevel = 'global' | 'address' | 'class' | 'client' | 'user';

export type LimitBucket = RateBucket & {
  readonly level: RateLevel;
  /** Where an operator sets the limit. */
  readonly setting: string;
};

/** Every bucket, with the configured limits and the profile applied. */
export type LimitBuckets = {
  readonly global: LimitBucket;
  /** All authenticated vetted clients together: as large as `global`, so that no other requests fill it. */
  readonly clients: LimitBucket;
  /** The share of `global` that one address may use. */
  readonly addressSecond: LimitBucket;
  /** Health checks: per address the same limit as other requests, but other requests do not count in it. */
  readonly probe: LimitBucket;
  readonly byAddress: Readonly<Record<RateClass, readonly LimitBucket[]>>;
  readonly byClient: Readonly<Record<RateClass, LimitBucket>>;
  /** One API key, which has its own number of requests a minute. */
  readonly byApiKey: (requestsPerMinute: number) => LimitBucket;
  /** None where no answer may wait for Redis. */
  readonly byUser: (rateClass: RateClass, roles: readonly string[]) => LimitBucket | null;
};

const PROFILE_FACTORS = { default: 1, development: 20, load: 1_000 } as const satisfies Record<
  RateLimitProfile,
  number
>;
/** A limit of each key, not a setting. */
const API_KEY_LIMIT = 'requests_per_minute of the API key';
const MINUTE = 60;

/** Copies send each other what they counted in memory once it reaches this share of the limit. */
const SENT_SHARE = 0.01;

/** Several addresses must exceed this at once before requests from another address are refused. */
const ADDRESS_SHARE = 0.25;

/**
 * Which bucket a request counts in, by class. Ordinary requests (`read`, `write`, `admin`, `credential`) share one
 * bucket per address, counted in Redis before they are read. `token`, `validate` and `log` have their own buckets,
 * counted in memory: they answer thousands of requests a second, mostly from services, or from memory.
 */
export function limitBuckets(config: RateLimitConfig): LimitBuckets {
  const factor = PROFILE_FACTORS[config.profile ?? 'default'];
  const bucket = (
    name: string,
    level: RateLevel,
    setting: string,
    limit: number,
    counting: RateBucket['counting'] = 'here',
    windowSeconds = MINUTE,
  ): LimitBucket => {
    const scaled = limit * factor;
    return { name, level, setting, limit: scaled, windowSeconds, counting, sentEvery: Math.ceil(scaled * SENT_SHARE) };
  };
  const envOf = (key: keyof typeof limitSettings): string => limitSettings[key].env;
  const address = bucket('address', 'address', envOf('addressPerMinute'), config.addressPerMinute, 'shared');
  const credential = bucket('credential', 'class', envOf('credentialPerMinute'), config.credentialPerMinute, 'shared');
  const client = bucket('client', 'client', envOf('clientPerMinute'), config.clientPerMinute);
  const clientValidate = bucket('client-validate', 'client', envOf('validatePerMinute'), config.validatePerMinute);
  const user = bucket('user', 'user', envOf('userPerMinute'), config.userPerMinute, 'shared');
  const ordinary = [address];
  const globalSetting = envOf('globalPerSecond');

  const ofRoles = new Map<number, LimitBucket>();
  const userBucket = (roles: readonly string[]): LimitBucket => {
    const roleFactor = Math.max(...roles.map((role) => config.roleFactors.get(role) ?? 1), roles.length === 0 ? 1 : 0);
    const held = ofRoles.get(roleFactor) ?? { ...user, limit: Math.max(1, Math.round(user.limit * roleFactor)) };
    ofRoles.set(roleFactor, held);
    return held;
  };

  return {
    global: bucket('global', 'global', globalSetting, config.globalPerSecond, 'here', 1),
    clients: bucket('clients', 'global', globalSetting, config.globalPerSecond, 'here', 1),
    addressSecond: bucket(
      'address-second',
      'address',
      globalSetting,
      Math.ceil(config.globalPerSecond * ADDRESS_SHARE),
      'here',
      1,
    ),
    probe: bucket('probe', 'address', envOf('addressPerMinute'), config.addressPerMinute),
    byAddress: {
      validate: [bucket('validate', 'class', envOf('validatePerMinute'), config.validatePerMinute)],
      token: [bucket('token', 'class', envOf('tokenPerMinute'), config.tokenPerMinute)],
      credential: [credential, address],
      log: [bucket('log', 'class', envOf('logPerMinute'), config.logPerMinute)],
      read: ordinary,
      write: ordinary,
      admin: ordinary,
    },
    byClient: {
      validate: clientValidate,
      token: client,
      credential: client,
      log: client,
      read: client,
      write: client,
      admin: client,
    },
    byApiKey: (requestsPerMinute) => bucket('api-key', 'client', API_KEY_LIMIT, requestsPerMinute),
    byUser: (rateClass, roles) => (rateClass === 'validate' ? null : userBucket(roles)),
  };
}
