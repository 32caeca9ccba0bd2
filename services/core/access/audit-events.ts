import { defineAuditEvent } from '#services/platform/define/audit-event.ts';
import {
  code,
  count,
  instant,
  known,
  label,
  listOf,
  name,
  oneOf,
  reason,
} from '#services/platform/define/audit-member.ts';

export const accessDenied = defineAuditEvent({
  type: 'access.denied',
  outcomes: ['refused'],
  detail: { code, permission: label, operation: code },
  meaning:
    'A request of an authenticated caller was denied; recorded at most once per caller, code, permission and minute. `detail.code` is the error code of the response, `detail.permission` the permission that the endpoint requires, `detail.operation` the first operation attempted.',
});

export const applicationDeclared = defineAuditEvent({
  type: 'application.declared',
  detail: {
    added: listOf(label),
    removed: listOf(label),
    policies: listOf(name),
    lowered: listOf(name),
    scopes: oneOf('changed'),
    authorization_details: oneOf('changed'),
    reason,
  },
  meaning:
    'An application declared its permissions and roles. `detail` has the added and removed permissions, and in `policies` the acts whose policy of sign-off was added, changed or removed, in `lowered` those of them that need less than before or no sign-off any more, in `scopes` whether the words of scopes changed, and in `authorization_details` whether its types of authorization details did; `role.created`, `role.changed` and `role.deleted` events report its roles. If a permission was removed, the tokens of users and clients who had it were revoked.',
});

export const applicationDeleted = defineAuditEvent({
  type: 'application.deleted',
  detail: { lowered: listOf(name), reason },
  meaning:
    'An application was deleted with its permissions, roles and policies of sign-off; `lowered` has the acts that had one.',
});

// Row triggers write the events below, in the transaction that changes the row.
export const clientCreated = defineAuditEvent({
  type: 'client.created',
  detail: {
    origin: known('open', 'token', 'document', 'registration', 'admin'),
    pkce: known('required', 'optional', 'on', 'off', 'default', 'fapi2', 'required_for_public'),
    refresh_rotation: known('required', 'optional', 'on', 'off', 'default', 'fapi2', 'required_for_public'),
    refresh_copies: count,
    profile: known('required', 'optional', 'on', 'off', 'default', 'fapi2', 'required_for_public'),
    reason,
  },
  meaning:
    'An OAuth client was created. `origin` is present if the client registered itself (RFC 7591) or was read from its client metadata document. `pkce`, `refresh_rotation`, `refresh_copies` and `profile` are present if they are not the default.',
});

export const clientChanged = defineAuditEvent({
  type: 'client.changed',
  detail: {
    columns: listOf(label),
    pkce: known('required', 'optional', 'on', 'off', 'default', 'fapi2', 'required_for_public'),
    refresh_rotation: known('required', 'optional', 'on', 'off', 'default', 'fapi2', 'required_for_public'),
    refresh_copies: count,
    profile: known('required', 'optional', 'on', 'off', 'default', 'fapi2', 'required_for_public'),
    reason,
  },
  meaning:
    'An OAuth client was changed; `columns` names the changed columns. `pkce`, `refresh_rotation`, `refresh_copies` and `profile` are new settings.',
});

export const clientDeleted = defineAuditEvent({
  type: 'client.deleted',
  detail: { reason },
  meaning: 'An OAuth client was deleted, and its tokens and token families were revoked.',
});

export const clientTokensRevoked = defineAuditEvent({
  type: 'client.tokens_revoked',
  detail: { reason },
  meaning: 'Every token and token family issued to a client until then was revoked; `reason` says why.',
});

export const clientSecretRotated = defineAuditEvent({
  type: 'client.secret_rotated',
  detail: { previous_until: instant, reason },
  meaning:
    'An OAuth client received a new secret, or lost its secret because it now authenticates with its own keys. The previous one is accepted until `previous_until`, or refused at once if that is absent.',
});

export const roleCreated = defineAuditEvent({
  type: 'role.created',
  detail: { reason },
  meaning: 'A role was created; a `role.changed` event lists its permissions.',
});

export const roleChanged = defineAuditEvent({
  type: 'role.changed',
  detail: { added: listOf(label), removed: listOf(label), reason },
  meaning:
    'The permissions of a role were changed: `added`, `removed`. If any was removed, the tokens of users with the role were revoked.',
});

export const roleDeleted = defineAuditEvent({
  type: 'role.deleted',
  detail: { reason },
  meaning: 'A role that no user had was deleted.',
});

export const userRoleGranted = defineAuditEvent({
  type: 'user.role_granted',
  detail: { role: label, reason },
  meaning: 'A role was granted to a user; the initial role is part of `user.created`.',
});

export const userRoleRemoved = defineAuditEvent({
  type: 'user.role_removed',
  detail: { role: label, reason },
  meaning: 'A role was removed from a user, and the tokens and token families issued until then were revoked.',
});
