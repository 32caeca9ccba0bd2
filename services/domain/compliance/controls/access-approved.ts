import { defineAttestation } from '../control.ts';

export const accessApproved = defineAttestation({
  name: 'access-approved',
  title: 'A person approves who has which role',
  clause: '164.308(a)(4)(ii)(C)',
  profile: 'current',
  requirement: 'addressable',
  statement: 'I reviewed the roles, their permissions and their holders, and approve them.',
  validDays: 92,
  humanDuty: 'Review the access list of the report.',
});
