import { definePermission } from '#services/platform/define/permissions.ts';

export const keysRead = definePermission({
  name: 'keys:read',
  description: 'Read the key ring',
  roles: ['admin', 'operator'],
});

export const keysManage = definePermission({ name: 'keys:manage', description: 'Rotate and compromise signing keys' });
