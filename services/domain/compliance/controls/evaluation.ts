import { defineAttestation } from '../control.ts';

export const evaluation = defineAttestation({
  name: 'evaluation',
  title: 'Safeguards are evaluated',
  clause: '164.308(a)(8)',
  profile: 'current',
  requirement: 'required',
  statement:
    'We evaluated technical and other safeguards within the last year, and after each change of our environment.',
  validDays: 365,
  humanDuty: 'Evaluate, or have a third party evaluate.',
});
