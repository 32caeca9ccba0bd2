import { defineError } from '#services/platform/define/error.ts';

export const clientExists = defineError({
  code: 'client_exists',
  status: 409,
  title: 'The client id is taken',
  cause: 'A client or a user already has this id.',
  fix: 'Choose another client_id, or leave it out and one is made.',
  retryable: false,
});

export const clientUnknown = defineError({
  code: 'client_unknown',
  status: 404,
  title: 'There is no such client',
  cause: 'No client has this id.',
  fix: 'Check the id; it is the `client_id` of the client’s tokens.',
  retryable: false,
});

export const clientProtected = defineError({
  code: 'client_protected',
  status: 409,
  title: 'This client belongs to the installation',
  cause: 'It stands for the installation’s own pages; without it nobody could sign in.',
  fix: 'Leave it as it is, and register a client of your own.',
  retryable: false,
});

export const clientWithoutSecret = defineError({
  code: 'client_without_secret',
  status: 409,
  title: 'A public client has no secret',
  cause: 'It authenticates with `none` (RFC 7591 §2): a secret in an app is none.',
  fix: 'Register a confidential client where a secret can be kept.',
  retryable: false,
});

export const redirectUriRefused = defineError({
  code: 'redirect_uri_refused',
  status: 400,
  title: 'A redirect address is not acceptable',
  cause:
    'It is no absolute URI, has a fragment, wildcard or user part, or a scheme other than https, http on a loopback address, or an app’s own with a dot (RFC 8252 §7, RFC 9700 §2.1).',
  fix: 'Register the exact address that the client redirects to.',
  retryable: false,
});

export const roleUnknown = defineError({
  code: 'role_unknown',
  status: 404,
  title: 'There is no such role',
  cause: 'No role has this name.',
  fix: 'See GET /v1/admin/roles for those there are.',
  retryable: false,
});

export const roleExists = defineError({
  code: 'role_exists',
  status: 409,
  title: 'The role exists',
  cause: 'A role has this name already.',
  fix: 'Choose another name, or change what that role may do.',
  retryable: false,
});

export const roleProtected = defineError({
  code: 'role_protected',
  status: 409,
  title: 'This role stays as it is',
  cause: '`admin` may do everything and `user` is what everybody has: neither is changed or deleted.',
  fix: 'Make a role of your own.',
  retryable: false,
});

export const roleHeld = defineError({
  code: 'role_held',
  status: 409,
  title: 'Somebody has this role',
  cause: 'Deleting it would take rights from people unnoticed.',
  fix: 'Remove it from its holders first: GET /v1/admin/users?role=… lists them.',
  retryable: false,
});

export const permissionUnknown = defineError({
  code: 'permission_unknown',
  status: 400,
  title: 'There is no such permission',
  cause: 'The installation does not ask for it anywhere.',
  fix: 'The role `admin` in GET /v1/admin/roles has every permission there is.',
  retryable: false,
});

/** `detail` names what is lacking: rights are no secret to those who may read roles. */
export const rightsExceeded = defineError({
  code: 'rights_exceeded',
  status: 403,
  title: 'Nobody gives or takes rights that they lack themselves',
  cause: 'The person, role or client concerned has a permission that the caller does not have.',
  fix: 'Ask somebody who holds the permissions named in `detail`.',
  retryable: false,
});
