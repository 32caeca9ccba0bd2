import { createIdentifierHashes } from '../domain/audit/audit-context.ts';
import { createAuth } from '../domain/identity/better-auth/auth.ts';
import { createSocialProviders } from '../domain/identity/social/providers.ts';
import { isVerificationRequired, sessionLifeOf } from '../platform/config/identity.ts';
import { socialProvidersOf } from '../platform/config/social.ts';
import type { Views } from './compose-views.ts';
import { createHasherOf } from './hasher.ts';
import { passwordPolicyOf } from './password-policy.ts';

/**
 * What accounts and sign-ins need besides the loaded views: Better Auth, and a hashing worker that starts on first use.
 * @param wakeMail notifies the workers that mails wait
 */
export function composeIdentity(
  { input, outside, revocations, keyRing }: Pick<Views, 'input' | 'outside' | 'revocations' | 'keyRing'>,
  wakeMail: () => void,
) {
  const { config } = input;
  return {
    hashIdentifier: createIdentifierHashes(() => keyRing.secret('identifier')),
    hasher: createHasherOf(config, keyRing.secret('pepper').key),
    passwordPolicy: passwordPolicyOf(config),
    mailer: { publicUrl: input.publicUrl, wake: wakeMail },
    invitationSeconds: config.identity.invitationSeconds,
    verificationRequired: isVerificationRequired(config),
    sessionsPerAccount: config.identity.sessionsPerAccount,
    signInGuard: { locksNetworks: config.limits.profile !== 'load' },
    socialProviders: createSocialProviders(socialProvidersOf(config.social), input.publicUrl),
    auth: createAuth(
      { ...outside, revocations, keyRing },
      {
        authSecret: input.authSecret,
        baseUrl: input.publicUrl,
        corsOrigins: config.server.corsOrigins,
        ...sessionLifeOf(config),
        secureCookies: config.server.profile !== 'development',
      },
    ),
  };
}
