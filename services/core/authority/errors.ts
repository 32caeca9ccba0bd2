import { defineError } from '#services/platform/define/error.ts';

/** `detail` names the missing permissions: callers who may read roles know them anyway. */
export const rightsExceeded = defineError({
  code: 'rights_exceeded',
  status: 403,
  title: 'Caller lacks a permission that this change grants or removes',
  cause: 'The user, role or client concerned has a permission that the caller does not have.',
  fix: 'Ask an administrator who has the permissions named in `detail`.',
});

/** `detail` names the scope. */
export const scopeNotGranted = defineError({
  code: 'scope_not_granted',
  status: 403,
  title: 'Scope not granted',
  cause:
    'The token lacks a scope: the application did not ask for it, the user did not grant it, or no user signed in.',
  fix: 'Connect the application again for the resource of the MCP server, request the scope that `detail` names, and allow it on the consent page.',
});
