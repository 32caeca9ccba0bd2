import { type Check, fail, type Result, skip } from '#services/core/health/doctor-check.ts';
import { type Config, ConfigError } from '#services/platform/config/load.ts';
import { asCommandError } from '../as-command-error.ts';
import { type CommandError, exitCodes } from '../exit-codes.ts';

type NamedResult = Result & { readonly name: string };

/** The check that first reported a failure, by message and by store that did not answer. */
type Reported = Map<string, string>;

async function outcomeOf(check: Check, settings: () => Promise<Config>, reported: Reported): Promise<Result> {
  const lost = check.needs && reported.get(check.needs);
  if (lost) return skip(`not checked: see ${lost}`);
  try {
    return await check.run(settings);
  } catch (err) {
    if (err instanceof ConfigError) return skip('not checked: see configuration');
    const { message, fix, exitCode } = asCommandError(err) as CommandError;
    const first = reported.get(message);
    if (first !== undefined) return skip(`not checked: see ${first}`);
    reported.set(message, check.name);
    if (check.needs && exitCode === exitCodes.unreachable) reported.set(check.needs, check.name);
    return fail(message, fix ?? 'see the message');
  }
}

/**
 * Runs the checks one by one. A cause fails once: checks that fail for the same reason, and those that need a store that
 * did not answer, are skipped.
 */
export async function runChecks(
  checks: readonly Check[],
  settings: () => Promise<Config>,
  show: (result: NamedResult) => void,
): Promise<readonly NamedResult[]> {
  const reported: Reported = new Map();
  const results: NamedResult[] = [];
  for (const check of checks) {
    const result = { name: check.name, ...(await outcomeOf(check, settings, reported)) };
    results.push(result);
    show(result);
  }
  return results;
}
