import { definePermission } from '#services/platform/define/permissions.ts';

export const phiRead = definePermission({
  name: 'phi:read',
  description: 'Decrypt health data',
  roles: ['admin', 'clinician'],
});

export const phiWrite = definePermission({
  name: 'phi:write',
  description: 'Encrypt health data',
  roles: ['admin', 'clinician', 'privacy_officer'],
});

export const phiManage = definePermission({
  name: 'phi:manage',
  description: 'Rotate the keys of health data, and destroy those of a person',
  roles: ['admin', 'privacy_officer'],
});

export const phiBreakGlass = definePermission({
  name: 'phi:break_glass',
  description: 'Open emergency access to the health data of one person',
  roles: ['admin', 'clinician'],
});
