import { definePermission } from '#services/platform/define/permissions.ts';

export const importsRead = definePermission({
  name: 'imports:read',
  description: 'Read imports of users and their progress',
  roles: ['admin', 'auditor', 'operator'],
});

export const importsWrite = definePermission({ name: 'imports:write', description: 'Import users of other systems' });
