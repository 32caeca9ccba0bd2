import { definePermission } from '#services/platform/define/permissions.ts';

export const auditRead = definePermission({
  name: 'audit:read',
  description: 'Read sealed security events and their proofs',
  roles: ['admin', 'auditor', 'compliance'],
});
