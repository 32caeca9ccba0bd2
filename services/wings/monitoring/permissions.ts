import { definePermission } from '#services/platform/define/permissions.ts';

export const monitoringRead = definePermission({
  name: 'monitoring:read',
  description: 'Read the dashboard of security and performance, security reports and the capacity forecast',
  roles: ['admin', 'auditor', 'operator'],
});

export const monitoringReport = definePermission({
  name: 'monitoring:report',
  description: 'Request security reports',
  roles: ['admin', 'auditor', 'operator'],
});
