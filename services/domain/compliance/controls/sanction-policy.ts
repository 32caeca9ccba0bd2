import { defineAttestation } from '../control.ts';

export const sanctionPolicy = defineAttestation({
  name: 'sanction-policy',
  title: 'A sanction policy exists and is applied',
  clause: '164.308(a)(1)(ii)(C)',
  profile: 'current',
  requirement: 'required',
  statement: 'We have a sanction policy, the workforce knows it, and we applied it where it was due.',
  validDays: 365,
  humanDuty: 'Write and apply the policy.',
});
