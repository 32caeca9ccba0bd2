import { definePermission } from '#services/platform/define/permissions.ts';

export const usersRead = definePermission({
  name: 'users:read',
  description: 'See every account',
  roles: ['admin', 'compliance', 'operator'],
});

export const usersManage = definePermission({
  name: 'users:manage',
  description: 'Disable, enable and delete accounts, grant and remove roles',
});

export const sessionsRead = definePermission({
  name: 'sessions:read',
  description: 'See the sessions of all users',
  roles: ['admin', 'operator'],
});

export const sessionsManage = definePermission({
  name: 'sessions:manage',
  description: 'End the sessions of all users',
  roles: ['admin', 'operator'],
});
