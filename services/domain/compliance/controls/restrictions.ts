import { defineAttestation } from '../control.ts';

export const restrictions = defineAttestation({
  name: 'restrictions',
  title: 'Requests for restrictions are decided and kept',
  clause: '164.522(a)',
  profile: 'current',
  requirement: 'required',
  statement: 'We decide requests to restrict uses and disclosures, record them, and follow those we agreed to.',
  validDays: 365,
  humanDuty: 'Decide each request.',
});
