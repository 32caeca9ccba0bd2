import { type ProviderSettings, socialProviderProblems } from '../domain/identity/social/providers.ts';
import { ConfigError } from '../platform/config/load.ts';

/**
 * A misconfigured provider is reported at the start, not at the first sign-in.
 * @throws ConfigError naming each provider, without values
 */
export async function assertSocialProviders(
  settings: Readonly<Record<string, ProviderSettings>>,
  publicUrl: string,
): Promise<void> {
  const problems = await socialProviderProblems(settings, publicUrl);
  if (problems.length === 0) return;
  throw new ConfigError(
    problems.map(({ name, problem }) => ({
      env: 'SOCIAL_PROVIDERS',
      problem: `cannot configure ${name}: ${problem}`,
      fix: `give ${name} its clientId and clientSecret, and under "options" what Better Auth's page on ${name} asks for beside, or take it out`,
    })),
  );
}
