import { definePermission } from '#services/platform/define/permissions.ts';

export const siemManage = definePermission({
  name: 'siem:manage',
  description: 'See how far the targets of the SIEM export are, and send events again',
  roles: ['admin', 'operator'],
});
