import type { ConfigProblem } from '#services/platform/config/config-error.ts';
import { isRed } from '#services/wings/compliance/control-shapes.ts';
import { type ControlView, readControls } from '#services/wings/compliance/list-controls.ts';
import type { Ports } from '../ports.ts';

/** One thing that an installation lacks for production. */
export type ProductionGap = {
  /** A setting, or a compliance control. */
  readonly name: string;
  readonly why: string;
  readonly fix: string;
};

/**
 * All that an installation lacks for production, in one list: the settings that a start would refuse, then the compliance
 * controls that are red for another reason.
 * @param settings what `missingForProduction` found
 */
export async function readProductionGaps(
  ports: Pick<Ports, 'sql'>,
  settings: readonly ConfigProblem[],
): Promise<ProductionGap[]> {
  const named = new Set(settings.map(({ env }) => env));
  const isNamed = ({ check }: ControlView): boolean =>
    (check?.exceptions ?? []).some(({ resource }) => named.has(resource));
  const red = (await readControls(ports)).filter((control) => isRed(control.status) && !isNamed(control));
  return [
    ...settings.map(({ env, problem, fix }) => ({ name: env, why: problem, fix })),
    ...red.map(({ control_id, reason, human_duty }) => ({ name: control_id, why: reason ?? '', fix: human_duty })),
  ];
}
