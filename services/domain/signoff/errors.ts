import { defineError } from '#services/platform/define/error.ts';

export const signOffUnknown = defineError({
  code: 'signoff_unknown',
  status: 404,
  title: 'Sign-off not found',
  cause: 'No sign-off has this id, or another caller requested it.',
  fix: 'GET /v1/handoff/signoffs lists the sign-offs.',
  retryable: false,
});

export const signOffOwnerRequired = defineError({
  code: 'signoff_owner_required',
  status: 403,
  title: 'A client without an owner cannot request sign-offs',
  cause:
    'The people behind a request must not approve it. They are known for a user and for an agent, not for another client.',
  fix: 'Register the client as an agent, which has an owner (POST /v1/admin/agents), or request the sign-off as a user.',
  retryable: false,
});

export const signOffTooMany = defineError({
  code: 'signoff_too_many',
  status: 409,
  title: 'Too many open sign-offs',
  cause:
    'A requester can have SIGNOFFS_OPEN_PER_REQUESTER sign-offs that are pending, approved or running and have not expired.',
  fix: 'Wait until some are denied, run or expire, and request shorter lifetimes (`expires_in_minutes`).',
  retryable: true,
});

export const signOffArgumentsInvalid = defineError({
  code: 'signoff_arguments_invalid',
  status: 400,
  title: 'Arguments too large, or without a canonical form',
  cause:
    'The canonical form (RFC 8785) of the arguments is longer than 32 KiB or deeper than 32 levels, or there is none: a text has a lone surrogate, or a number is not finite or is outside ±(2^53 − 1), where two integers can be one number.',
  fix: 'Pass smaller or well-formed arguments; refer to large data by its hash, and write large numbers as text.',
  retryable: false,
});

export const signOffQuorumInvalid = defineError({
  code: 'signoff_quorum_invalid',
  status: 400,
  title: 'Quorum larger than the number of roles',
  cause: 'Each role approves once, so a quorum cannot exceed the number of required roles.',
  fix: 'Name more roles, or lower the quorum.',
  retryable: false,
});

export const signOffArgumentsChanged = defineError({
  code: 'signoff_arguments_changed',
  status: 409,
  title: 'Not the act and arguments of the sign-off',
  cause:
    'An approval is bound to one act and the SHA-256 of its canonical arguments. This request names another act or has other arguments.',
  fix: 'Read the sign-off again and use its act and arguments, or request a new sign-off.',
  retryable: false,
});

export const signOffClosed = defineError({
  code: 'signoff_closed',
  status: 409,
  title: 'Sign-off already decided or expired',
  cause: 'The sign-off was approved, denied, or ended, or more than its lifetime has passed since the request.',
  fix: 'Request a new sign-off.',
  retryable: false,
});

export const signOffRoleNotRequired = defineError({
  code: 'signoff_role_not_required',
  status: 409,
  title: 'Role not among the required roles',
  cause: 'The sign-off does not ask for this role.',
  fix: 'Decide in one of its `required_roles` that you have.',
  retryable: false,
});

export const signOffRoleMissing = defineError({
  code: 'signoff_role_missing',
  status: 403,
  title: 'You do not have this role',
  cause: 'A person decides only in a role that they have now.',
  fix: 'Ask an administrator for the role, or decide in a role that you have.',
  retryable: false,
});

export const signOffSelfApproval = defineError({
  code: 'signoff_self_approval',
  status: 403,
  title: 'You cannot decide your own request',
  cause: 'You requested the sign-off, or an agent did that acts for you or whose credentials you have set.',
  fix: 'Ask other people to decide.',
  retryable: false,
});

export const signOffAlreadyDecided = defineError({
  code: 'signoff_already_decided',
  status: 409,
  title: 'You or this role have already decided',
  cause: 'One person decides once, in one role, and each role decides once.',
  fix: 'Ask a person in one of the remaining roles.',
  retryable: false,
});

/** `detail` names the state. */
export const signOffNotRunnable = defineError({
  code: 'signoff_not_runnable',
  status: 409,
  title: 'The act cannot start',
  cause:
    'An act starts once, after its approval and before the sign-off expires. This one is not approved, has expired, or has started before.',
  fix: 'Wait for the approval, or request a new sign-off.',
  retryable: false,
});

/** `detail` names the condition. */
export const signOffConditionUnmet = defineError({
  code: 'signoff_condition_unmet',
  status: 409,
  title: 'A condition of the sign-off is not met',
  cause: 'The sign-off requires a security score, or that no serious incident is open, at the time of the act.',
  fix: 'Resolve what `detail` names and start the act again before the sign-off expires.',
  retryable: true,
});

/** `detail` names the state, and the failure if there is one. */
export const signOffNotRunning = defineError({
  code: 'signoff_not_running',
  status: 409,
  title: 'The act is not running',
  cause: 'The act has not started, has ended, or failed when its agent was killed.',
  fix: 'Read the sign-off: `failure` says why it failed.',
  retryable: false,
});

export const signOffUnfinished = defineError({
  code: 'signoff_unfinished',
  status: 409,
  title: 'No receipt yet',
  cause: 'A receipt is about an act that has ended.',
  fix: 'Read the receipt after the end of the act was reported.',
  retryable: false,
});
