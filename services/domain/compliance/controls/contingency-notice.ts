import { defineAttestation } from '../control.ts';

export const contingencyNotice = defineAttestation({
  name: 'contingency-notice',
  title: 'Contingency plans are notified within 24 hours',
  clause: '164.314(a)(2)(i)(D)',
  profile: 'proposed',
  requirement: 'required',
  statement: 'Our contracts require notice within 24 hours of the activation of a contingency plan.',
  validDays: 365,
  humanDuty: 'Agree on it in the contracts.',
});
