import { defineAttestation } from '../control.ts';

export const disclosuresAccounted = defineAttestation({
  name: 'disclosures-accounted',
  title: 'Disclosures can be accounted for',
  clause: '164.528(a)',
  profile: 'current',
  requirement: 'required',
  statement: 'We record disclosures with date, recipient, what and why, and can account for six years of them.',
  validDays: 365,
  humanDuty: 'Decide what a disclosure is, and record it.',
});
