import { defineAttestation } from '../control.ts';

export const businessAssociates = defineAttestation({
  name: 'business-associates',
  title: 'Business associates have contracts',
  clause: '164.308(b)(1)',
  profile: 'current',
  requirement: 'required',
  statement: 'Every business associate that can reach data of this installation has a contract that meets 164.314(a).',
  validDays: 365,
  humanDuty: 'Sign and keep the contracts.',
});
