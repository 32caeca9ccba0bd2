import { defineAttestation } from '../control.ts';

export const minimumNecessaryRoles = defineAttestation({
  name: 'minimum-necessary-roles',
  title: 'Roles and the data they need are identified',
  clause: '164.514(d)',
  profile: 'current',
  requirement: 'required',
  statement:
    'We identified the persons or roles that need health data, the categories each needs, and the conditions of access.',
  validDays: 365,
  humanDuty: 'Define roles and categories of data.',
});
