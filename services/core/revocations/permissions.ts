import { definePermission } from '#services/platform/define/permissions.ts';

export const revocationsRead = definePermission({
  name: 'revocations:read',
  description: 'Read the signed revocation feed',
  roles: ['admin', 'operator'],
});
