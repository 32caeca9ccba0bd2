import { definePermission } from '#services/platform/define/permissions.ts';

export const clientsRegister = definePermission({
  name: 'clients:register',
  description: 'Register clients without rights of their own (RFC 7591)',
});
