import { useIdentifierKey } from '../domain/audit/audit-context.ts';
import { createAuth } from '../domain/identity/better-auth/auth.ts';
import { createSocialProviders } from '../domain/identity/social/providers.ts';
import { isVerificationRequired, sessionLifeOf } from '../platform/config/identity.ts';
import { socialProvidersOf } from '../platform/config/social.ts';
import { type ComposeInput, composeViews, type Views } from './compose-views.ts';
import { createHasherOf } from './hasher.ts';
import { passwordPolicyOf } from './password-policy.ts';
import type { PeoplePorts } from './people/people.ts';

/**
 * What the use-cases of people need beyond loaded views: Better Auth, and a hasher that starts when it is first used.
 * @param wakeMail tells the workers that mails wait
 */
export function composeLogins(
  { input, outside, revocations, keyRing }: Pick<Views, 'input' | 'outside' | 'revocations' | 'keyRing'>,
  wakeMail: () => void,
) {
  const { config } = input;
  useIdentifierKey(() => keyRing.secret('identifier'));
  return {
    hasher: createHasherOf(config, keyRing.secret('pepper').key),
    passwordPolicy: passwordPolicyOf(config),
    mailer: { publicUrl: input.publicUrl, wake: wakeMail },
    invitationSeconds: config.identity.invitationSeconds,
    verificationRequired: isVerificationRequired(config),
    sessionsPerAccount: config.identity.sessionsPerAccount,
    loginGuard: { locksNetworks: config.limits.profile !== 'load' },
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

/** Builds the ports of the thread of people, and loads them: the keys are there, and the upkeep is somebody else's. */
export async function composePeople(input: ComposeInput, wakeMail: () => void) {
  const views = composeViews(input);
  const { outside, keyRing, access, revocations, tokenSettings, announceRevocations, poll, stores } = views;
  await views.load(() => Promise.all([keyRing.load(), access.load()]));
  const logins = composeLogins(views, wakeMail);
  const ports: PeoplePorts = {
    ...outside,
    ...logins,
    keyRing,
    access,
    revocations,
    tokenSettings,
    announceRevocations,
  };
  return {
    ports,
    poll,
    close: async () => {
      await poll.close();
      await logins.hasher.close();
      await stores.close();
    },
  };
}
