import { definePermission } from '#services/platform/define/permissions.ts';

export const incidentsRead = definePermission({
  name: 'incidents:read',
  description: 'Read security incidents',
  roles: ['admin', 'auditor'],
});

export const incidentsManage = definePermission({
  name: 'incidents:manage',
  description: 'Acknowledge and close security incidents',
});

export const usersUnlock = definePermission({
  name: 'users:unlock',
  description: 'Let a locked account try its password again',
});
