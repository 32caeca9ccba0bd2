import type { Json } from '#services/core/audit/log/canonical-json.ts';
import { defineStatement, type Statement } from '#services/platform/define/statement.ts';
import type { MachineControl, Observation } from '../control.ts';

/** A population, and the resources of it that break a rule: their number, and the first twenty by id. */
export type Tally = { readonly population: number; readonly broken: number; readonly resources: readonly string[] };

/**
 * The statement of a tally.
 * @param population a query of one number
 * @param broken a query of the resources that break the rule, one text column `resource`
 */
export const defineTally = (name: string, population: string, broken: string): Statement =>
  defineStatement(
    name,
    `WITH broken AS MATERIALIZED (${broken})
     SELECT (${population})::int AS population, (SELECT count(*)::int FROM broken) AS broken,
       ARRAY(SELECT resource::text FROM broken ORDER BY resource LIMIT 20) AS resources`,
  );

/** The observation of a tally. A resource may break a rule and be outside the population's count for a moment. */
export const observeTally = (
  { population, broken, resources }: Tally,
  why: string,
  observed: { readonly [fact: string]: Json } = {},
): Observation => ({
  population: Math.max(population, broken),
  exceptions: resources.map((resource) => ({ resource, why })),
  exceptionCount: broken,
  observed: { population, broken, ...observed },
});

/** The check of a tally: what its statement finds breaks the control. */
export const tallied =
  (tally: Statement, why: string): MachineControl['check'] =>
  async ({ sql }) =>
    observeTally((await sql.query<Tally>(tally))[0] as Tally, why);
