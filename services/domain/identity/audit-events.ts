import { defineAuditEvent } from '#services/platform/define/audit-event.ts';

export const userLogin = defineAuditEvent({
  type: 'user.login',
  durability: 'durable',
  outcomes: ['ok', 'refused', 'second_factor_asked', 'locked'],
  meaning:
    'A sign-in was attempted. `refused` is committed before its 401, `locked` before its 429 (the password was not verified, or another provider was refused after the act `step_up`). `second_factor_asked`: the first factor was correct, and no session was opened. `detail.identifier` is a keyed hash of the e-mail address. Passwords answered with 503 because the hashing queue is full (`hashing_busy`) are not recorded.',
});

export const userLoginLocked = defineAuditEvent({
  type: 'user.login_locked',
  durability: 'durable',
  outcomes: ['refused'],
  meaning:
    'Too many wrong passwords: for `detail.seconds`, passwords for this account from unknown devices, from this device or from this network (`detail.of`) are refused without being verified.',
});

// Written by row triggers, in the transaction that changes the row (migration identity).
export const userCreated = defineAuditEvent({
  type: 'user.created',
  durability: 'durable',
  outcomes: ['ok'],
  meaning: 'An account was created.',
});

export const userDisabled = defineAuditEvent({
  type: 'user.disabled',
  durability: 'durable',
  outcomes: ['ok'],
  meaning: 'An account was disabled; its sessions and token families ended.',
});

export const userDeleted = defineAuditEvent({
  type: 'user.deleted',
  durability: 'durable',
  outcomes: ['ok'],
  meaning: 'An account was deleted; its sessions and token families ended.',
});

export const userEmailChanged = defineAuditEvent({
  type: 'user.email_changed',
  durability: 'durable',
  outcomes: ['ok'],
  meaning: 'The e-mail address of an account changed. The event contains neither address.',
});

export const userTokensRevoked = defineAuditEvent({
  type: 'user.tokens_revoked',
  durability: 'durable',
  outcomes: ['ok'],
  meaning: 'Every existing token and token family of a user was revoked; `reason` says why.',
});

export const sessionCreated = defineAuditEvent({
  type: 'session.created',
  durability: 'durable',
  outcomes: ['ok'],
  meaning: 'A browser session began.',
});

export const sessionEnded = defineAuditEvent({
  type: 'session.ended',
  durability: 'durable',
  outcomes: ['ok'],
  meaning: 'A browser session ended with its token families; `reason` says why.',
});

export const accountLinked = defineAuditEvent({
  type: 'account.linked',
  durability: 'durable',
  outcomes: ['ok'],
  meaning: 'A sign-in method was added to an account: a password or an account at another provider.',
});

export const accountUnlinked = defineAuditEvent({
  type: 'account.unlinked',
  durability: 'durable',
  outcomes: ['ok'],
  meaning: 'A sign-in method was removed from an account.',
});

export const accountPasswordRehashed = defineAuditEvent({
  type: 'account.password_rehashed',
  durability: 'durable',
  outcomes: ['ok'],
  meaning: 'A sign-in replaced the digest of the password with a stronger one of the same password. No session ended.',
});

export const passwordBreachUnchecked = defineAuditEvent({
  type: 'password.breach_unchecked',
  durability: 'durable',
  outcomes: ['ok'],
  meaning:
    'The breached-password list (BREACH_RANGE_URL) did not answer, and a new password was accepted without the check.',
});

export const accountPasswordChanged = defineAuditEvent({
  type: 'account.password_changed',
  durability: 'durable',
  outcomes: ['ok'],
  meaning: 'The password of an account changed.',
});

export const userEmailVerified = defineAuditEvent({
  type: 'user.email_verified',
  durability: 'durable',
  outcomes: ['ok'],
  meaning: 'The e-mail address of an account was verified by a code sent to it.',
});

export const userProfileChanged = defineAuditEvent({
  type: 'user.profile_changed',
  durability: 'durable',
  outcomes: ['ok'],
  meaning: 'A user changed the name or picture of their account; `detail.fields` lists the changed fields.',
});

export const codeRefused = defineAuditEvent({
  type: 'code.refused',
  durability: 'durable',
  outcomes: ['refused'],
  meaning: 'A wrong, used or expired mailed code was refused.',
});

export const userEnabled = defineAuditEvent({
  type: 'user.enabled',
  durability: 'durable',
  outcomes: ['ok'],
  meaning: 'A disabled account was enabled. Sessions that ended stay ended.',
});

export const userSteppedUp = defineAuditEvent({
  type: 'user.stepped_up',
  durability: 'durable',
  outcomes: ['ok', 'refused'],
  meaning: 'A signed-in user authenticated again (step-up). A new session replaced the previous one.',
});

export const factorRenamed = defineAuditEvent({
  type: 'factor.renamed',
  durability: 'durable',
  outcomes: ['ok'],
  meaning: 'A user renamed one of their passkeys.',
});

// Written by row triggers (migration sign_in).
export const factorEnrolled = defineAuditEvent({
  type: 'factor.enrolled',
  durability: 'durable',
  outcomes: ['ok'],
  meaning: 'A second factor was added to an account (`detail.factor`). The first one ends every existing session.',
});

export const factorRemoved = defineAuditEvent({
  type: 'factor.removed',
  durability: 'durable',
  outcomes: ['ok'],
  meaning: 'A second factor was removed from an account (`detail.factor`). Every existing session ended.',
});

export const factorsReset = defineAuditEvent({
  type: 'user.factors_reset',
  durability: 'durable',
  outcomes: ['ok'],
  meaning:
    'An administrator removed the authenticator app (`detail.totp`) and passkeys (`detail.passkeys`: how many) of an account whose owner lost them. A mail notifies the owner.',
});

export const recoveryCodesMade = defineAuditEvent({
  type: 'recovery_codes.made',
  durability: 'durable',
  outcomes: ['ok'],
  meaning: 'New recovery codes were created for an account; older ones became invalid.',
});

export const recoveryCodeUsed = defineAuditEvent({
  type: 'recovery_code.used',
  durability: 'durable',
  outcomes: ['ok'],
  meaning: 'A recovery code was used and is now invalid; `detail.left` says how many remain.',
});

export const recoveryCodesVoided = defineAuditEvent({
  type: 'recovery_codes.voided',
  durability: 'durable',
  outcomes: ['ok'],
  meaning:
    'The recovery codes of an account became invalid while its factors stay, because the codes were created after a sign-in that an incident reverted. `detail.left` says how many there were, `detail.reason` names the detection. Codes deleted with the last factor have no event of their own.',
});

export const userInvited = defineAuditEvent({
  type: 'user.invited',
  durability: 'durable',
  outcomes: ['ok'],
  meaning:
    'An administrator created an account for another person or repeated the invitation. A mail invites the future owner, who gets `detail.roles` on acceptance.',
});

export const userUnlocked = defineAuditEvent({
  type: 'user.unlocked',
  durability: 'durable',
  outcomes: ['ok'],
  meaning:
    'An administrator, or a code mailed to the owner (`reason` is `mailed_code`), unlocked the password of an account: its count of wrong passwords restarts at zero.',
});
