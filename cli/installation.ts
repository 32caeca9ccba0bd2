import { type InstallationFacts, readInstallation } from '../services/core/health/installation/read-installation.ts';
import type { Ports } from '../services/core/ports.ts';
import { type Contradiction, contradictionsOf, settingsWithFacts } from '../services/platform/config/facts.ts';
import { type Config, loadConfig } from '../services/platform/config/load.ts';
import { CommandError, exitCodes } from './exit-codes.ts';

/** A database of a version before it, and a login of a process that needs none of it. */
const NOT_THERE = ['42P01', '42501'];

/** What the API of this database said of its installation; undefined before its first start. */
export const factsIn = (ports: Pick<Ports, 'sql'>): Promise<InstallationFacts | undefined> =>
  readInstallation(ports).catch((err: { readonly code?: string }) => {
    if (NOT_THERE.includes(err.code ?? '')) return undefined;
    throw err;
  });

export const contradictionText = ({ name, here, there }: Contradiction): string =>
  `${name} is ${here} here, and ${there} at the installation`;

/**
 * The settings with which a command acts: those of the installation where they are facts of it, else those of its shell.
 * @throws CommandError (5) if the shell says otherwise; ConfigError
 */
export async function installationSettings(
  ports: Pick<Ports, 'sql'>,
  env: NodeJS.ProcessEnv = process.env,
): Promise<Config> {
  const own = loadConfig(env);
  const facts = await factsIn(ports);
  if (facts === undefined) return own;
  const contradictions = contradictionsOf(env, facts);
  if (contradictions.length > 0)
    throw new CommandError(
      exitCodes.refused,
      `${contradictions.map(contradictionText).join('; ')}; nothing was done`,
      'unset it here: commands take it from the installation. If the installation is to change, restart its API with it first',
    );
  return settingsWithFacts(env, facts);
}
