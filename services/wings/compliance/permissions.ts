import { definePermission } from '#services/platform/define/permissions.ts';

export const complianceRead = definePermission({
  name: 'compliance:read',
  description: 'Read compliance controls, reports and their evidence',
  roles: ['admin', 'auditor', 'compliance'],
});

export const complianceManage = definePermission({
  name: 'compliance:manage',
  description: 'Request compliance reports, attest controls and manage violations',
  roles: ['admin', 'compliance'],
});
