import { defineAttestation } from '../control.ts';

export const securityOfficial = defineAttestation({
  name: 'security-official',
  title: 'A security official is named',
  clause: '164.308(a)(2)',
  profile: 'current',
  requirement: 'required',
  statement: 'We named the person who is responsible for security policies and procedures.',
  validDays: 365,
  humanDuty: 'Name the person.',
});
