import { fail, type ModuleCheck, pass, type Result, warn } from '#services/core/health/doctor-check.ts';
import type { FindGaps } from '#services/core/health/production-gaps.ts';
import type { Ports } from '#services/core/ports.ts';
import { isRed } from './control-shapes.ts';
import { type ControlView, readControls } from './list-controls.ts';

/** The controls that are red for another reason than a setting that is named already, and backups of which nothing is known. */
export const findControlGaps: FindGaps = async (ports, named) => {
  const isNamed = ({ check }: ControlView): boolean =>
    (check?.exceptions ?? []).some(({ resource }) => named.has(resource));
  const isMissing = ({ status, control_id: id }: ControlView): boolean =>
    isRed(status) || (status === 'unknown' && id === 'backups-recent');
  const red = (await readControls(ports)).filter((control) => isMissing(control) && !isNamed(control));
  return red.map(({ control_id, reason, human_duty }) => ({ name: control_id, why: reason ?? '', fix: human_duty }));
};

const RECOMPUTED = 'audit-log-recomputed';

/** The hourly recomputation of the log, which sees an altered row whether or not anyone reads it. */
async function run(ports: Pick<Ports, 'sql'>): Promise<Result> {
  const control = (await readControls(ports)).find(({ control_id: id }) => id === RECOMPUTED);
  if (!control?.check)
    return warn('the log has not been recomputed yet', 'npm start runs a worker, which recomputes it');
  const { ended_at: endedAt, population, exception_count: count, exceptions } = control.check;
  const evidence = `${population} events recomputed at ${endedAt}`;
  if (control.check.exception_count > 0)
    return fail(
      `${evidence}: ${exceptions[0]?.resource} ${count === 1 ? 'is' : `and ${count - 1} more are`} not as sealed`,
      'run npx sallyport audit verify, and see docs/runbooks/AuditRowAltered.md',
    );
  if (control.status !== 'pass')
    return warn(`${evidence}; ${control.reason ?? control.status}`, 'check that a worker runs');
  return pass(evidence);
}

export const recomputedCheck: ModuleCheck = { name: 'audit recomputed', run };
