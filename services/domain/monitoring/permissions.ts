import { definePermission } from '#services/platform/define/permissions.ts';

export const monitoringRead = definePermission({
  name: 'monitoring:read',
  description: 'Read the dashboard of security and performance, security reports and the capacity forecast',
  roles: ['admin', 'auditor', 'operator'],
});
