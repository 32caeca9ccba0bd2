import { defineAttestation } from '../control.ts';

export const minimumNecessaryPolicy = defineAttestation({
  name: 'minimum-necessary-policy',
  title: 'Uses and disclosures are limited to the minimum',
  clause: '164.502(b)',
  profile: 'current',
  requirement: 'required',
  statement: 'We have a policy that limits uses, disclosures and requests of health data to the minimum necessary.',
  validDays: 365,
  humanDuty: 'Write the policy.',
});
