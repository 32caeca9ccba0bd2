import { defineAuditEvent } from '#services/platform/define/audit-event.ts';

export const accessDenied = defineAuditEvent({
  type: 'access.denied',
  durability: 'durable',
  outcomes: ['refused'],
  meaning:
    'A known caller was refused what it lacks the right for; once for each caller, code, permission and minute. `detail.code` is the code of the answer, `detail.permission` what the endpoint asks for, `detail.operation` the first that was tried.',
});

// Written by row triggers, in whichever transaction changes the row (migrations access and clients).
export const clientCreated = defineAuditEvent({
  type: 'client.created',
  durability: 'durable',
  outcomes: ['ok'],
  meaning: 'An OAuth client was made; `origin` says so where it registered itself or was read from its document.',
});

export const clientChanged = defineAuditEvent({
  type: 'client.changed',
  durability: 'durable',
  outcomes: ['ok'],
  meaning: 'An OAuth client was changed; `columns` says what.',
});

export const clientDeleted = defineAuditEvent({
  type: 'client.deleted',
  durability: 'durable',
  outcomes: ['ok'],
  meaning: 'An OAuth client was deleted: its tokens and logins ended with it.',
});

export const clientTokensRevoked = defineAuditEvent({
  type: 'client.tokens_revoked',
  durability: 'durable',
  outcomes: ['ok'],
  meaning: 'Every token and login of a client from before was ended; `reason` says why.',
});

export const clientSecretRotated = defineAuditEvent({
  type: 'client.secret_rotated',
  durability: 'durable',
  outcomes: ['ok'],
  meaning: 'An OAuth client has a new secret; the one before is good until `previous_until`, without that not at all.',
});

export const roleCreated = defineAuditEvent({
  type: 'role.created',
  durability: 'durable',
  outcomes: ['ok'],
  meaning: 'A role was made; what it may do follows as `role.changed`.',
});

export const roleChanged = defineAuditEvent({
  type: 'role.changed',
  durability: 'durable',
  outcomes: ['ok'],
  meaning: 'What a role may do was changed: `added`, `removed`. Tokens of its holders ended where a right was removed.',
});

export const roleDeleted = defineAuditEvent({
  type: 'role.deleted',
  durability: 'durable',
  outcomes: ['ok'],
  meaning: 'A role that nobody held was deleted.',
});

export const userRoleGranted = defineAuditEvent({
  type: 'user.role_granted',
  durability: 'durable',
  outcomes: ['ok'],
  meaning: 'An account was given a role; the one it begins with is part of `user.created`.',
});

export const userRoleRemoved = defineAuditEvent({
  type: 'user.role_removed',
  durability: 'durable',
  outcomes: ['ok'],
  meaning: 'A role was taken from an account: its tokens and logins from before ended with it.',
});
