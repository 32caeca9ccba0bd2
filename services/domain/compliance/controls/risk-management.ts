import { defineAttestation } from '../control.ts';

export const riskManagement = defineAttestation({
  name: 'risk-management',
  title: 'Measures reduce the analysed risks',
  clause: '164.308(a)(1)(ii)(B)',
  profile: 'current',
  requirement: 'required',
  statement:
    'We keep a plan of measures for the analysed risks, with owners and dates, and reviewed it within the last year.',
  validDays: 365,
  humanDuty: 'Decide which risks are reduced, and how.',
});
