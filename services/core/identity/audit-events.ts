import { defineAuditEvent } from '#services/platform/define/audit-event.ts';
import {
  count,
  flag,
  id,
  known,
  label,
  listOf,
  oneOf,
  personal,
  reason,
  user,
} from '#services/platform/define/audit-member.ts';

const provider = known(
  'credential',
  'apple',
  'discord',
  'facebook',
  'github',
  'gitlab',
  'google',
  'linkedin',
  'microsoft',
  'slack',
);
const signInFactor = known(
  'password',
  'passkey',
  'totp',
  'recovery_code',
  'social',
  'legacy_session',
  'invitation',
  'code',
  'application',
);
const acr = known('aal1', 'aal2');

export const userLogin = defineAuditEvent({
  type: 'user.login',
  isPushed: true,
  outcomes: ['ok', 'refused', 'second_factor_asked', 'locked', 'uncompared'],
  detail: {
    factor: signInFactor,
    identifier: personal,
    known_device: flag,
    suspect_network: flag,
    elsewhere: id,
    is_placed: flag,
    country: personal,
    session_id: id,
    provider: provider,
    reason,
    linked_by: oneOf('import', 'address'),
    verified_factors: listOf(known('password', 'totp', 'passkey', 'security_key')),
  },
  meaning:
    'A sign-in was attempted. `refused` is committed before the 401 is sent, and `locked` before the 429. `locked` means that the password was not verified, or that a sign-in by another provider was refused because of the incident action `step_up`. `uncompared` means that an old provider, which still has the password, did not compare it. `second_factor_asked` means that the first factor was correct and no session was opened. `detail.identifier` is a keyed hash of the e-mail address, and `detail.country` of an `ok` the country of the network address, if it is known. Attempts that were answered 503 because the hashing queue was full (`hashing_busy`) are not recorded.',
});

export const userLoginLocked = defineAuditEvent({
  type: 'user.login_locked',
  isPushed: true,
  outcomes: ['refused'],
  detail: { of: oneOf('account', 'device', 'network'), failures: count, seconds: count, identifier: personal },
  meaning:
    'Too many wrong passwords locked sign-in for `detail.seconds` seconds. `detail.of` names what is locked: this account on unknown devices, this device, or this network. Passwords from there are refused without being verified.',
});

// Written by row triggers, in the transaction that changes the row.
export const userCreated = defineAuditEvent({
  type: 'user.created',
  isPushed: true,
  meaning: 'An account was created.',
});

export const userDisabled = defineAuditEvent({
  type: 'user.disabled',
  detail: { reason },
  meaning: 'An account was disabled; its sessions and token families ended.',
});

export const userDeleted = defineAuditEvent({
  type: 'user.deleted',
  detail: { reason },
  meaning: 'An account was deleted; its sessions and token families ended.',
});

export const userEmailChanged = defineAuditEvent({
  type: 'user.email_changed',
  meaning: 'The e-mail address of an account changed. The event contains neither address.',
});

export const userTokensRevoked = defineAuditEvent({
  type: 'user.tokens_revoked',
  detail: { reason, token_epoch: count },
  meaning: 'Every existing token and token family of a user was revoked; `reason` says why.',
});

export const sessionCreated = defineAuditEvent({
  type: 'session.created',
  isPushed: true,
  detail: { user_id: user },
  meaning: 'A browser session began.',
});

export const sessionRenewed = defineAuditEvent({
  type: 'session.renewed',
  isPushed: true,
  detail: { user_id: user, reason },
  meaning:
    'The user of a browser session authenticated again (a sign-in or a step-up; `reason` says which). The session and its token families go on; only its cookie changed.',
});

export const userSessionEnded = defineAuditEvent({
  type: 'session.ended',
  isPushed: true,
  detail: { user_id: user, reason },
  meaning: 'A browser session ended with its token families; `reason` says why.',
});

export const accountLinked = defineAuditEvent({
  type: 'account.linked',
  detail: { provider: provider },
  meaning: 'A sign-in method was added to an account: a password or an account at another provider.',
});

export const accountUnlinked = defineAuditEvent({
  type: 'account.unlinked',
  detail: { provider: provider },
  meaning: 'A sign-in method was removed from an account.',
});

export const accountPasswordTaken = defineAuditEvent({
  type: 'account.password_taken_over',
  meaning:
    'A user who was imported without a password signed in with the one at the old provider; it is stored here from now on.',
});

export const accountPasswordRehashed = defineAuditEvent({
  type: 'account.password_rehashed',
  meaning:
    'At a sign-in, the stored hash of the password was replaced with a stronger hash of the same password. No session ended.',
});

export const passwordBreachUnchecked = defineAuditEvent({
  type: 'password.breach_unchecked',
  meaning:
    'The breached-password list (BREACH_RANGE_URL) did not answer, and a new password was accepted without the check.',
});

export const accountPasswordChanged = defineAuditEvent({
  type: 'account.password_changed',
  detail: { provider: provider },
  meaning: 'The password of an account changed.',
});

export const userEmailVerified = defineAuditEvent({
  type: 'user.email_verified',
  meaning: 'The e-mail address of an account was verified by a code sent to it.',
});

export const userProfileChanged = defineAuditEvent({
  type: 'user.profile_changed',
  detail: { fields: listOf(oneOf('name', 'image')) },
  meaning: 'A user changed the name or picture of their account; `detail.fields` lists the changed fields.',
});

export const codeRefused = defineAuditEvent({
  type: 'code.refused',
  outcomes: ['refused'],
  meaning: 'A wrong, used or expired mailed code was refused.',
});

export const userEnabled = defineAuditEvent({
  type: 'user.enabled',
  detail: { reason },
  meaning: 'A disabled account was enabled. Sessions that ended stay ended.',
});

export const userSteppedUp = defineAuditEvent({
  type: 'user.stepped_up',
  isPushed: true,
  outcomes: ['ok', 'refused'],
  detail: { factor: signInFactor, session_id: id, previous_acr: acr },
  meaning:
    'A signed-in user authenticated again (step-up) by `factor`. The session goes on with a new cookie; `previous_acr` is its assurance level before.',
});

export const factorRenamed = defineAuditEvent({
  type: 'factor.renamed',
  detail: { factor: signInFactor },
  meaning: 'A user renamed one of their passkeys.',
});

// Written by row triggers.
export const factorEnrolled = defineAuditEvent({
  type: 'factor.enrolled',
  detail: { factor: signInFactor },
  meaning: 'A second factor was added to an account (`detail.factor`). The first one ends every existing session.',
});

export const factorRemoved = defineAuditEvent({
  type: 'factor.removed',
  detail: { factor: signInFactor },
  meaning: 'A second factor was removed from an account (`detail.factor`). Every existing session ended.',
});

export const factorsReset = defineAuditEvent({
  type: 'user.factors_reset',
  detail: { totp: flag, passkeys: count, reason },
  meaning:
    'An administrator removed the authenticator app (`detail.totp`) and passkeys (`detail.passkeys`: how many) of an account whose owner lost them. A mail notifies the owner.',
});

export const recoveryCodesMade = defineAuditEvent({
  type: 'recovery_codes.made',
  meaning: 'New recovery codes were created for an account; older ones became invalid.',
});

export const recoveryCodeUsed = defineAuditEvent({
  type: 'recovery_code.used',
  detail: { left: count },
  meaning: 'A recovery code was used and is now invalid; `detail.left` says how many remain.',
});

export const recoveryCodesVoided = defineAuditEvent({
  type: 'recovery_codes.voided',
  detail: { left: count, reason },
  meaning:
    'The recovery codes of an account became invalid and its second factors remain: the codes were created after a suspicious sign-in, and the action of an incident removed what was created since. `detail.left` says how many codes there were, and `detail.reason` names the detection. Recovery codes that are deleted with the last factor have no separate event.',
});

export const userInvited = defineAuditEvent({
  type: 'user.invited',
  detail: { reason, roles: listOf(label) },
  meaning:
    'An administrator created an account for another person or repeated the invitation. A mail invites the future owner, who gets `detail.roles` on acceptance.',
});

export const userHelped = defineAuditEvent({
  type: 'user.helped',
  detail: { act: oneOf('password_mail', 'email_verified', 'email_changed'), reason },
  meaning:
    'An administrator mailed the owner of an account a code for a new password, vouched for the address of the account, or changed it (`detail.act`). The old address is told of a change.',
});

export const userUnlocked = defineAuditEvent({
  type: 'user.unlocked',
  detail: { failures: count, reason },
  meaning:
    'An administrator, or the owner with a mailed code (`reason` is `mailed_code`), unlocked password sign-in of an account. Its count of wrong passwords restarts at zero.',
});
