import { defineAuditEvent } from '#services/platform/define/audit-event.ts';

export const userLogin = defineAuditEvent({
  type: 'user.login',
  durability: 'durable',
  outcomes: ['ok', 'refused', 'second_factor_asked', 'locked'],
  meaning:
    'Somebody tried to sign in. `refused` is committed before its 401, `locked` before its 429 (a password that is not looked at, or another provider after the act `step_up`); `second_factor_asked`: the first factor was right, and nothing was opened; `detail.identifier` is a keyed hash of the e-mail. While the hashing queue is full passwords are answered 503 (`hashing_busy`) and not recorded, as `locked` neither.',
});

export const userLoginLocked = defineAuditEvent({
  type: 'user.login_locked',
  durability: 'durable',
  outcomes: ['refused'],
  meaning:
    'A wrong password too many: from now on, for `detail.seconds`, no password is looked at for this account from unknown devices, from this device or from this network (`detail.of`).',
});

// Written by row triggers, in whichever transaction changes the row (migration identity).
export const userCreated = defineAuditEvent({
  type: 'user.created',
  durability: 'durable',
  outcomes: ['ok'],
  meaning: 'An account was made.',
});

export const userDisabled = defineAuditEvent({
  type: 'user.disabled',
  durability: 'durable',
  outcomes: ['ok'],
  meaning: 'An account was disabled: its sessions and logins ended with it.',
});

export const userDeleted = defineAuditEvent({
  type: 'user.deleted',
  durability: 'durable',
  outcomes: ['ok'],
  meaning: 'An account was deleted: its sessions and logins ended with it.',
});

export const userEmailChanged = defineAuditEvent({
  type: 'user.email_changed',
  durability: 'durable',
  outcomes: ['ok'],
  meaning: 'The e-mail address of an account changed; neither address is in the event.',
});

export const userTokensRevoked = defineAuditEvent({
  type: 'user.tokens_revoked',
  durability: 'durable',
  outcomes: ['ok'],
  meaning: 'Every token and login of a user from before was ended; `reason` says why.',
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
  meaning: 'A browser session was ended, and its logins with it; `reason` says why.',
});

export const accountLinked = defineAuditEvent({
  type: 'account.linked',
  durability: 'durable',
  outcomes: ['ok'],
  meaning: 'A way to sign in was added to an account: a password, or an account elsewhere.',
});

export const accountUnlinked = defineAuditEvent({
  type: 'account.unlinked',
  durability: 'durable',
  outcomes: ['ok'],
  meaning: 'A way to sign in was taken from an account.',
});

export const accountPasswordRehashed = defineAuditEvent({
  type: 'account.password_rehashed',
  durability: 'durable',
  outcomes: ['ok'],
  meaning: 'The same password got a stronger digest after a sign-in: nothing else changed, and no session ended.',
});

export const passwordBreachUnchecked = defineAuditEvent({
  type: 'password.breach_unchecked',
  durability: 'durable',
  outcomes: ['ok'],
  meaning: 'The list of stolen passwords (BREACH_RANGE_URL) did not answer, and a new password was taken without it.',
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
  meaning: 'The e-mail address of an account was proved by a code sent to it.',
});

export const userProfileChanged = defineAuditEvent({
  type: 'user.profile_changed',
  durability: 'durable',
  outcomes: ['ok'],
  meaning: 'Somebody changed name or picture of their account; `detail.fields` names which.',
});

export const codeRefused = defineAuditEvent({
  type: 'code.refused',
  durability: 'durable',
  outcomes: ['refused'],
  meaning: 'A mailed code was tried that is wrong, used or out of date.',
});

export const userEnabled = defineAuditEvent({
  type: 'user.enabled',
  durability: 'durable',
  outcomes: ['ok'],
  meaning: 'A disabled account was taken in again; what ended stays ended.',
});

export const userSteppedUp = defineAuditEvent({
  type: 'user.stepped_up',
  durability: 'durable',
  outcomes: ['ok', 'refused'],
  meaning: 'Somebody signed in proved anew who they are; a new session took the place of the one before.',
});

export const factorRenamed = defineAuditEvent({
  type: 'factor.renamed',
  durability: 'durable',
  outcomes: ['ok'],
  meaning: 'Somebody gave one of their passkeys another name.',
});

// Written by row triggers (migration sign_in).
export const factorEnrolled = defineAuditEvent({
  type: 'factor.enrolled',
  durability: 'durable',
  outcomes: ['ok'],
  meaning: 'An account got a second factor (`detail.factor`); with the first one every login of before ended.',
});

export const factorRemoved = defineAuditEvent({
  type: 'factor.removed',
  durability: 'durable',
  outcomes: ['ok'],
  meaning: 'An account lost a second factor (`detail.factor`): every login of before ended.',
});

export const factorsReset = defineAuditEvent({
  type: 'user.factors_reset',
  durability: 'durable',
  outcomes: ['ok'],
  meaning:
    'An administrator took the authenticator app (`detail.totp`) and passkeys (`detail.passkeys`: how many) from an account whose owner has lost them; its owner is told by mail.',
});

export const recoveryCodesMade = defineAuditEvent({
  type: 'recovery_codes.made',
  durability: 'durable',
  outcomes: ['ok'],
  meaning: 'An account got new recovery codes; older ones count no more.',
});

export const recoveryCodeUsed = defineAuditEvent({
  type: 'recovery_code.used',
  durability: 'durable',
  outcomes: ['ok'],
  meaning: 'A recovery code was used, its one time; `detail.left` says how many are left.',
});

export const recoveryCodesVoided = defineAuditEvent({
  type: 'recovery_codes.voided',
  durability: 'durable',
  outcomes: ['ok'],
  meaning:
    'The recovery codes of an account count no more, and its factors stay: they were made after a sign-in that an incident took back. `detail.left` says how many there were, `detail.reason` the detection. Where the last factor goes, its codes go without an event of their own.',
});

export const userInvited = defineAuditEvent({
  type: 'user.invited',
  durability: 'durable',
  outcomes: ['ok'],
  meaning:
    'Somebody made an account for another, or asked again: a mail invites its owner-to-be, who gets `detail.roles` by accepting.',
});

export const userUnlocked = defineAuditEvent({
  type: 'user.unlocked',
  durability: 'durable',
  outcomes: ['ok'],
  meaning:
    'An administrator, or a code mailed to its owner (`reason` is `mailed_code`), let an account try its password again: its count of wrong ones begins anew.',
});
