import { defineAttestation } from '../control.ts';

export const emergencyAccess = defineAttestation({
  name: 'emergency-access',
  title: 'Emergency access is rehearsed',
  clause: '164.312(a)(2)(ii)',
  profile: 'current',
  requirement: 'required',
  statement:
    'We have a procedure for access in an emergency, and rehearsed it while an identity provider or Redis was down.',
  validDays: 365,
  humanDuty: 'Decide who may use it, and review each use.',
});
