import { definePermission } from '#services/platform/define/permissions.ts';

export const tokensIssue = definePermission({ name: 'tokens:issue', description: 'Issue a token pair for any user' });

export const clientsRead = definePermission({
  name: 'clients:read',
  description: 'See OAuth clients',
  roles: ['admin', 'compliance', 'operator'],
});

export const clientsManage = definePermission({
  name: 'clients:manage',
  description: 'Create, change, disable and delete OAuth clients, and give them new secrets',
});

export const rolesRead = definePermission({
  name: 'roles:read',
  description: 'See roles and their permissions',
  roles: ['admin', 'compliance'],
});

export const rolesManage = definePermission({
  name: 'roles:manage',
  description: 'Create and delete roles, and set their permissions',
});

export const applicationsRead = definePermission({
  name: 'applications:read',
  description: 'Read applications with their permissions and roles',
  roles: ['admin', 'compliance'],
});

export const applicationsManage = definePermission({
  name: 'applications:manage',
  description: 'Declare and delete applications, and hand on their permissions',
});
