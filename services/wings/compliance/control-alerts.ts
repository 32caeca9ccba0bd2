import type { AlertRule } from '#services/core/audit/read/alert-rule.ts';
import { controlChanged } from './audit-events.ts';
import { CONTROL_STATUSES, isRed } from './control-shapes.ts';

/** A control that is red at its first check has not turned red; one that is not known to be green stays as it was. */
export const controlAlerts: AlertRule = {
  type: controlChanged.type,
  source: 'control',
  effectOf({ outcome, target, detail }) {
    const status = CONTROL_STATUSES.find((known) => known === outcome);
    if (status === undefined || status === 'unknown') return undefined;
    const name = String(target?.id);
    if (!isRed(status)) return { name, raises: null };
    return detail.before === undefined
      ? undefined
      : { name, raises: `the control is ${outcome}, ${String(detail.clause)}` };
  },
};
