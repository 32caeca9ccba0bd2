import { defineAttestation } from '../control.ts';

export const facilitySafeguards = defineAttestation({
  name: 'facility-safeguards',
  title: 'Facilities and devices are protected',
  clause: '164.310(a)(1)',
  profile: 'current',
  requirement: 'required',
  statement:
    'Access to the buildings, machines and media that hold this installation is limited, and media are disposed of safely.',
  validDays: 365,
  humanDuty: 'Protect buildings, machines and media.',
});
