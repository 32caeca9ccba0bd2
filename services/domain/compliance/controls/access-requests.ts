import { defineAttestation } from '../control.ts';

export const accessRequests = defineAttestation({
  name: 'access-requests',
  title: 'Requests for access are answered within 30 days',
  clause: '164.524(b)',
  profile: 'current',
  requirement: 'required',
  statement: 'We answer requests of individuals for their records within 30 days, and keep a record of the time.',
  validDays: 92,
  humanDuty: 'Answer each request.',
});
