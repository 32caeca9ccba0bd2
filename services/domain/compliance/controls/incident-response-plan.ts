import { defineAttestation } from '../control.ts';

export const incidentResponsePlan = defineAttestation({
  name: 'incident-response-plan',
  title: 'An incident response plan exists',
  clause: '164.308(a)(6)(i)',
  profile: 'current',
  requirement: 'required',
  statement: 'We have procedures for security incidents, and rehearsed them within the last year.',
  validDays: 365,
  humanDuty: 'Write and rehearse the procedures.',
});
