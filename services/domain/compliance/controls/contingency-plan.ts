import { defineAttestation } from '../control.ts';

export const contingencyPlan = defineAttestation({
  name: 'contingency-plan',
  title: 'A contingency plan exists',
  clause: '164.308(a)(7)(i)',
  profile: 'current',
  requirement: 'required',
  statement: 'We have plans for backup, recovery and emergency operation that include this installation.',
  validDays: 365,
  humanDuty: 'Write the plans.',
});
