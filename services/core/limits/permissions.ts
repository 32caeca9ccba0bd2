import { definePermission } from '#services/platform/define/permissions.ts';

export const limitsBypass = definePermission({
  name: 'limits:bypass',
  description: 'Pass a used-up rate limit; each use is in the audit log',
});
