import { defineAttestation } from '../control.ts';

export const training = defineAttestation({
  name: 'training',
  title: 'The workforce is trained',
  clause: '164.308(a)(5)(i)',
  profile: 'current',
  requirement: 'required',
  statement: 'Every member of the workforce with access was trained within the last year.',
  validDays: 365,
  humanDuty: 'Train people.',
});
