import { ConfigError, type ConfigProblem } from './config-error.ts';
import { loadProcessConfig } from './load.ts';

/**
 * What a start under the profile production would refuse of these settings, each with its fix. Variables that a
 * supervisor generated count as not set.
 */
export function missingForProduction(env: Readonly<Record<string, string | undefined>>): readonly ConfigProblem[] {
  const generated = new Set(env.SALLYPORT_GENERATED?.split(','));
  const given = Object.fromEntries(Object.entries(env).filter(([name]) => !generated.has(name)));
  try {
    loadProcessConfig({ ...given, SALLYPORT_PROFILE: 'production' });
    return [];
  } catch (err) {
    if (err instanceof ConfigError) return err.problems;
    throw err;
  }
}
