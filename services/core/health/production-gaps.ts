import type { ConfigProblem } from '#services/platform/config/config-error.ts';
import type { Ports } from '../ports.ts';

/** One thing that an installation lacks for production. */
export type ProductionGap = {
  /** A setting, or what a wing checks, as a compliance control. */
  readonly name: string;
  readonly why: string;
  readonly fix: string;
};

/** What a wing finds missing beside `named`, the settings that a start would refuse. */
export type FindGaps = (ports: Pick<Ports, 'sql'>, named: ReadonlySet<string>) => Promise<readonly ProductionGap[]>;

/** A module that looks for gaps. `firstSteps`: those that a new installation closes first, by what one needs to know of each. */
export type HasGaps = {
  readonly gaps?: () => Promise<FindGaps>;
  readonly firstSteps?: Readonly<Record<string, string>>;
};

/**
 * All that an installation lacks for production, in one list: the settings that a start would refuse, then what its
 * modules find.
 * @param settings what `missingForProduction` found
 */
export async function readProductionGaps(
  ports: Pick<Ports, 'sql'>,
  settings: readonly ConfigProblem[],
  modules: readonly HasGaps[],
): Promise<ProductionGap[]> {
  const named = new Set(settings.map(({ env }) => env));
  const found = settings.map(({ env, problem, fix }) => ({ name: env, why: problem, fix }));
  for (const { gaps } of modules) if (gaps) found.push(...(await (await gaps())(ports, named)));
  return found;
}
