import { ConfigError, type ConfigProblem } from './config-error.ts';
import { loadProcessConfig } from './load.ts';

const NO_MAIL = { env: 'SMTP_URL', problem: 'is not set, so no mail is sent', fix: 'set the server of mails' };

/**
 * What a start under the profile production would refuse of these settings, each with its fix, and that no mail is sent.
 * Variables that a supervisor generated count as not set.
 */
export function missingForProduction(env: Readonly<Record<string, string | undefined>>): readonly ConfigProblem[] {
  const generated = new Set(env.SALLYPORT_GENERATED?.split(','));
  const given = Object.fromEntries(Object.entries(env).filter(([name]) => !generated.has(name)));
  const mail = given.SMTP_URL ? [] : [NO_MAIL];
  try {
    loadProcessConfig({ ...given, SALLYPORT_PROFILE: 'production' });
    return mail;
  } catch (err) {
    if (err instanceof ConfigError) return [...err.problems, ...mail];
    throw err;
  }
}
