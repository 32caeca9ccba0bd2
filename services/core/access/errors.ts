import { defineError } from '#services/platform/define/error.ts';

export const clientExists = defineError({
  code: 'client_exists',
  status: 409,
  title: 'Client id already in use',
  cause: 'A client or a user already has this id.',
  fix: 'Choose another client_id, or omit it to have one generated.',
});

export const clientUnknown = defineError({
  code: 'client_unknown',
  status: 404,
  title: 'Client not found',
  cause: 'No client has this id.',
  fix: 'Check the id: it is the `client_id` claim in the client’s tokens.',
});

export const clientProtected = defineError({
  code: 'client_protected',
  status: 409,
  title: 'The built-in client cannot be changed',
  cause: 'The sign-in pages of this installation use this client; without it no user could sign in.',
  fix: 'Register a client of your own instead.',
});

export const clientWithoutSecret = defineError({
  code: 'client_without_secret',
  status: 409,
  title: 'The client has no secret',
  cause:
    'The client is public (`none`, RFC 7591 §2), because an app cannot keep a secret, or it authenticates with its own keys.',
  fix: 'Register a confidential client if the application can keep a secret, as a server can; change `jwks` of a client that has keys.',
});

/** `detail` names the settings. */
export const clientSettingsConflict = defineError({
  code: 'client_settings_conflict',
  title: 'Settings of the client contradict each other',
  cause: 'The request gives the client a setting that its other settings forbid.',
  fix: 'Change the setting that `detail` names, or change both in one request.',
});

export const clientKeysInvalid = defineError({
  code: 'client_keys_invalid',
  title: 'Keys of the client not acceptable',
  cause:
    'A client that authenticates with private_key_jwt needs either `jwks`, with a public P-256, Ed25519 or RSA key of 2,048 to 4,096 bits, or `jwks_uri`, an https URL. With self_signed_tls_client_auth the set has its certificates in `x5c`. With tls_client_auth it needs one name of its certificate. Other clients have none of these.',
  fix: 'Send the public keys, certificates or name by which the client is recognised; `problems` says what is wrong.',
});

export const clientLogoRefused = defineError({
  code: 'client_logo_refused',
  title: 'Logo of the client not acceptable',
  cause:
    'A logo is a PNG of at most 24 KB and 512 × 512 pixels, without anything after the image, as a data URL (`data:image/png;base64,…`). Only a client that an administrator has registered may have one.',
  fix: 'Send a smaller PNG; `detail` says what is wrong.',
});

export const clientKeysBusy = defineError({
  code: 'client_keys_busy',
  status: 503,
  oauthError: 'temporarily_unavailable',
  title: 'Too many key sets of clients are being fetched',
  cause: 'The keys of the client are at its jwks_uri, and this process already fetches as many key sets as it may.',
  fix: 'Retry after Retry-After seconds.',
});

export const clientKeysUnavailable = defineError({
  code: 'client_keys_unavailable',
  status: 503,
  oauthError: 'temporarily_unavailable',
  title: 'Keys of the client cannot be read now',
  cause:
    'The jwks_uri of the client did not answer with a key set, or was asked a moment ago and is not asked again so soon: the key or certificate may be a new one.',
  fix: 'Retry after Retry-After seconds; operators of the client: check that its jwks_uri answers.',
});

export const redirectUriRefused = defineError({
  code: 'redirect_uri_refused',
  title: 'Redirect URI not allowed',
  cause:
    'The URI is not absolute, has a fragment, wildcard or user part, or uses a scheme other than https, http on a loopback address, or a private-use scheme with a dot (RFC 8252 §7, RFC 9700 §2.1).',
  fix: 'Register the exact URI that the client uses.',
});

export const roleUnknown = defineError({
  code: 'role_unknown',
  status: 404,
  title: 'Role not found',
  cause: 'No role has this name.',
  fix: 'GET /v1/admin/roles lists the roles.',
});

export const roleExists = defineError({
  code: 'role_exists',
  status: 409,
  title: 'Role already exists',
  cause: 'Another role already has this name.',
  fix: 'Choose another name, or change the permissions of the existing role.',
});

export const roleProtected = defineError({
  code: 'role_protected',
  status: 409,
  title: 'Built-in roles cannot be changed',
  cause: '`admin` has every permission and every user has `user`: neither can be changed or deleted.',
  fix: 'Create a role of your own instead.',
});

export const roleHeld = defineError({
  code: 'role_held',
  status: 409,
  title: 'Role still assigned to users',
  cause: 'Deleting the role would silently remove permissions from the users who have it.',
  fix: 'Remove the role from its users first: GET /v1/admin/users?role=… lists them.',
});

export const roleDeclared = defineError({
  code: 'role_declared',
  status: 409,
  title: 'The role belongs to an application',
  cause: 'The declaration of the application defines the role and its permissions.',
  fix: 'Change the declaration: POST /v1/admin/applications, or `sallyport apply`.',
});

export const applicationUnknown = defineError({
  code: 'application_unknown',
  status: 404,
  title: 'Application not found',
  cause: 'No application has this name.',
  fix: 'GET /v1/admin/applications lists the applications.',
});

/** `problems` has one entry for each wrong part of the declaration, at most 20. */
export const declarationInvalid = defineError({
  code: 'declaration_invalid',
  title: 'Declaration of the application not acceptable',
  cause:
    'A name is malformed, duplicate or reserved, an audience or permission belongs to the installation or to another application, or there are too many entries.',
  fix: 'Correct what `problems` lists; nothing was changed.',
});

/** `detail` names the roles. */
export const applicationRoleHeld = defineError({
  code: 'application_role_held',
  status: 409,
  title: 'Users still have a role that the declaration drops',
  cause: 'Dropping the role would silently take it from the users who have it.',
  fix: 'Remove the role from its users first (GET /v1/admin/users?role=… lists them), or declare it without permissions: that ends their permissions at once.',
});

export const permissionUnknown = defineError({
  code: 'permission_unknown',
  title: 'Permission not found',
  cause: 'The installation defines no permission with this name. Permissions of an application go into its own roles.',
  fix: 'For a permission of your application, declare it with its roles: `npx sallyport apply <file>` or POST /v1/admin/applications. For one of the installation, use a name of the role `admin` in GET /v1/admin/roles, which has all of them.',
});

export const roleSelfGrant = defineError({
  code: 'role_self_grant',
  status: 403,
  title: 'You cannot grant yourself a role of sign-off',
  cause:
    'The role approves risky acts, so another person must grant it. An agent of yours, or a client whose credentials you have set, cannot grant it to you either.',
  fix: 'Ask another administrator, or an operator with access to the command line.',
});
