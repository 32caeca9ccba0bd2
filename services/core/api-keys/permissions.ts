import { definePermission } from '#services/platform/define/permissions.ts';

export const apiKeysRead = definePermission({
  name: 'api_keys:read',
  description: 'See all API keys, never their secrets',
  roles: ['admin', 'compliance', 'operator'],
});

export const apiKeysManage = definePermission({ name: 'api_keys:manage', description: 'Revoke any API key' });
