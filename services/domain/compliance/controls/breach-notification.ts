import { defineAttestation } from '../control.ts';

export const breachNotification = defineAttestation({
  name: 'breach-notification',
  title: 'Breach notices can be given and proved',
  clause: '164.414(b)',
  profile: 'current',
  requirement: 'required',
  statement:
    'We have a procedure to assess a breach by the four factors and to notify within 60 days, and keep the evidence of each assessment.',
  validDays: 365,
  humanDuty: 'Assess, notify and keep the evidence.',
});
