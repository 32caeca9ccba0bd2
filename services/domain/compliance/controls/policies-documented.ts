import { defineAttestation } from '../control.ts';

export const policiesDocumented = defineAttestation({
  name: 'policies-documented',
  title: 'Policies and procedures are written and kept',
  clause: '164.316(b)(1)',
  profile: 'current',
  requirement: 'required',
  statement:
    'Policies and procedures are written, current, available to the people who follow them, and kept for six years.',
  validDays: 365,
  humanDuty: 'Write, review and keep them.',
});
