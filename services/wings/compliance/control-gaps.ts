import type { FindGaps } from '#services/core/health/production-gaps.ts';
import { isRed } from './control-shapes.ts';
import { type ControlView, readControls } from './list-controls.ts';

/** The controls that are red for another reason than a setting that is named already. */
export const findControlGaps: FindGaps = async (ports, named) => {
  const isNamed = ({ check }: ControlView): boolean =>
    (check?.exceptions ?? []).some(({ resource }) => named.has(resource));
  const red = (await readControls(ports)).filter((control) => isRed(control.status) && !isNamed(control));
  return red.map(({ control_id, reason, human_duty }) => ({ name: control_id, why: reason ?? '', fix: human_duty }));
};
