import { type ProviderSettings, socialProviderProblems } from '../domain/identity/social/providers.ts';
import { ConfigError } from '../platform/config/load.ts';

/**
 * A provider that could send nobody anywhere is told of at the start, not at the first sign-in.
 * @throws ConfigError naming each, and no value
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
