import type { Control, MachineControl } from '../control.ts';
import { accessControls } from './access.ts';
import { auditControls } from './audit.ts';
import { eventsControls } from './events.ts';
import { keysControls } from './keys.ts';
import { operationsControls } from './operations.ts';
import { peopleControls } from './people.ts';
import { privacyControls } from './privacy.ts';
import { retentionControls } from './retention.ts';
import { signInControls } from './sign-in.ts';

// Controls of one clause keep the order of this list.
const tables = [
  ...operationsControls,
  ...accessControls,
  ...signInControls,
  ...keysControls,
  ...auditControls,
  ...eventsControls,
  ...retentionControls,
  ...peopleControls,
  ...privacyControls,
] as const;

/** A control that a check decides; a scene of the tests for another name does not compile. */
export type MachineControlName = Extract<(typeof tables)[number], MachineControl>['name'];

const byClause = ({ clause: one }: Control, { clause: other }: Control): number => {
  if (one === other) return 0;
  return one < other ? -1 : 1;
};

/** Every control, in the order of the clauses of 45 CFR. */
export const controls: readonly Control[] = [...tables].sort(byClause);

export const machineControlNames: readonly MachineControlName[] = tables.flatMap((control) =>
  control.kind === 'machine' ? [control.name] : [],
);
