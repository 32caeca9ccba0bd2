import { deliverMailJob } from '#jobs/contracts/mail.ts';
import { withSpan } from '#observability/http-span.ts';
import {
  hashDuration,
  hashJobs,
  hashProcessorTime,
  hashQueueDepth,
  hashQueueWait,
} from '#observability/metrics/identity.ts';
import { createIdentifierHashes } from '../core/audit/audit-context.ts';
import { createImportedKeys } from '../core/identity/passwords/imported-keys.ts';
import type { PasswordPolicy } from '../core/identity/passwords/password-policy.ts';
import { createAuth } from '../core/identity/sessions/auth.ts';
import { relyingParty } from '../core/identity/sessions/relying-party.ts';
import { createSocialProviders, socialProviderProblems } from '../core/identity/social/providers.ts';
import { isVerificationRequired, secondFactorRolesOf, sessionLifeOf } from '../platform/config/identity.ts';
import { type Config, ConfigError } from '../platform/config/load.ts';
import { trustedOrigins } from '../platform/config/server.ts';
import { socialProvidersOf } from '../platform/config/social.ts';
import type { Enqueue } from '../platform/define/job.ts';
import { openCountryTable } from '../platform/geo/country-table.ts';
import { HasherBusyError, type HasherBusyReason } from '../platform/hasher/errors.ts';
import { createHasher, type Hasher, type HasherOptions } from '../platform/hasher/hasher.ts';
import { guardedFetch } from '../platform/http/outbound.ts';
import { createBreachRanges } from '../platform/passwords/breach-ranges.ts';
import { createCommonPasswords } from '../platform/passwords/common-passwords.ts';
import { createFormerPasswords } from '../wings/import/bridge/former-passwords.ts';
import type { Views } from './compose-views.ts';

/** What accounts and sign-ins need besides the loaded views: Better Auth, and password hashing, whose processes start on first use. */
export function composeIdentity(
  { input, outside, revocations, keyRing }: Pick<Views, 'input' | 'outside' | 'revocations' | 'keyRing'>,
  enqueue: Enqueue,
) {
  const { config } = input;
  return {
    hashIdentifier: createIdentifierHashes(() => keyRing.secret('identifier')),
    hasher: createHasherOf(config, { pepper: keyRing.secret('pepper').key, importedKey: createImportedKeys(outside) }),
    passwordPolicy: passwordPolicyOf(config),
    mailer: {
      publicUrl: input.publicUrl,
      // Notifies the workers that mails wait. Never waits or fails: without Redis the timetable sends them.
      wake: () => void enqueue(deliverMailJob, {}, { dedupe: 'wake' }).catch(() => {}),
    },
    invitationSeconds: config.identity.invitationSeconds,
    formerPasswords: createFormerPasswords(config.legacy, outside, guardedFetch),
    verificationRequired: isVerificationRequired(config),
    secondFactorRoles: secondFactorRolesOf(config),
    sessionsPerAccount: config.identity.sessionsPerAccount,
    signInGuard: { locksNetworks: config.limits.profile !== 'load' },
    socialProviders: createSocialProviders(socialProvidersOf(config.social), input.publicUrl),
    auth: createAuth(
      { ...outside, revocations, keyRing },
      {
        authSecret: input.authSecret,
        baseUrl: input.publicUrl,
        origins: trustedOrigins(config.server, relyingParty(input.publicUrl).origins),
        ...sessionLifeOf(config),
        secureCookies: config.server.profile !== 'development',
        countryOf: openCountryTable(config.identity.ipCountryFile),
      },
    ),
  };
}

/** The password policy from the settings; nothing is loaded before the first new password. */
function passwordPolicyOf({ identity }: Config): PasswordPolicy {
  const { passwordProfile, breachRangeUrl } = identity;
  return {
    profile: passwordProfile,
    common: createCommonPasswords(),
    breachRanges: breachRangeUrl === undefined ? null : createBreachRanges(breachRangeUrl),
  };
}

/**
 * A misconfigured provider is reported at the start, not at the first sign-in.
 * @throws ConfigError naming each provider, without values
 */
export async function assertSocialProviders({ social }: Config, publicUrl: string): Promise<void> {
  const problems = await socialProviderProblems(socialProvidersOf(social), publicUrl);
  if (problems.length === 0) return;
  throw new ConfigError(
    problems.map(({ name, problem }) => ({
      env: 'SOCIAL_PROVIDERS',
      problem: `cannot configure ${name}: ${problem}`,
      fix: `set clientId and clientSecret of ${name}, and under "options" the other options that Better Auth's page on ${name} requires, or remove the provider`,
    })),
  );
}

type HasherKeys = Pick<HasherOptions, 'pepper' | 'importedKey'>;

const REFUSED = {
  full: 'full',
  waited_too_long: 'expired',
  client_left: 'cancelled',
  closing: 'cancelled',
} as const satisfies Record<HasherBusyReason, string>;

function countRefusal(err: unknown): never {
  if (err instanceof HasherBusyError) hashJobs.add(1, { outcome: REFUSED[err.reason] });
  throw err;
}

/** The password hashing of this process, with its metrics and spans. */
export function createHasherOf(config: Config, keys: HasherKeys): Omit<Hasher, 'stats'> {
  const { hasherChildren, hashQueue, passwordHash } = config.identity;
  const wait = hashQueueWait.at();
  const hasher = createHasher({
    ...keys,
    algorithm: passwordHash,
    ...(hasherChildren > 0 ? { children: hasherChildren } : {}),
    ...(hashQueue > 0 ? { capacity: hashQueue } : {}),
    onQueueWait: (seconds) => wait.record(seconds),
    onHash: (seconds, outcome, processorSeconds) => {
      hashProcessorTime.add(processorSeconds);
      const failed = outcome === 'failed' || outcome === 'lost';
      hashJobs.add(1, { outcome: failed ? 'failed' : 'done' });
      if (!failed) hashDuration.record(seconds, { operation: outcome === 'hashed' ? 'hash' : 'verify' });
    },
  });
  hashQueueDepth.at().observe(() => hasher.stats().queued);
  return {
    ...hasher,
    hash: (password, admission) =>
      withSpan('hash password', {}, () => hasher.hash(password, admission).catch(countRefusal)),
    verify: (password, digest, admission) =>
      withSpan('verify password', {}, () => hasher.verify(password, digest, admission).catch(countRefusal)),
    refusalOf: (admission) => {
      const refusal = hasher.refusalOf(admission);
      if (refusal !== undefined) hashJobs.add(1, { outcome: REFUSED[refusal.reason] });
      return refusal;
    },
  };
}
