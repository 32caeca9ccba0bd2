import { definePermission } from '#services/platform/define/permissions.ts';

export const agentsRead = definePermission({
  name: 'agents:read',
  description: 'Read agents and their status',
  roles: ['admin', 'auditor', 'operator'],
});

export const agentsManage = definePermission({
  name: 'agents:manage',
  description: 'Register agents and kill them',
  roles: ['admin'],
});
