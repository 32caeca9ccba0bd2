import { definePermission } from '#services/platform/define/permissions.ts';

export const tokensRead = definePermission({
  name: 'tokens:read',
  description: 'Read token metadata, statistics and status by id',
  roles: ['admin', 'operator'],
});

export const tokensRevoke = definePermission({
  name: 'tokens:revoke',
  description: 'Revoke any token, session, family, user or client',
});

export const tokensIntrospect = definePermission({
  name: 'tokens:introspect',
  description: 'Introspect tokens (RFC 7662)',
});
