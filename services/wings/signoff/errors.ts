import { defineError } from '#services/platform/define/error.ts';

export const signOffUnknown = defineError({
  code: 'signoff_unknown',
  status: 404,
  title: 'Sign-off not found',
  cause: 'No sign-off has this id, or another caller requested it.',
  fix: 'GET /v1/handoff/signoffs lists the sign-offs.',
});

export const signOffOwnerRequired = defineError({
  code: 'signoff_owner_required',
  status: 403,
  title: 'A client without an owner cannot request sign-offs',
  cause:
    'The people behind a request must not approve it. They are known for a user and for an agent, not for another client.',
  fix: 'Register the client as an agent, which has an owner (POST /v1/admin/agents), or request the sign-off as a user.',
});

export const signOffSignInRequired = defineError({
  code: 'signoff_sign_in_required',
  status: 403,
  title: 'This token began without a sign-in of its user',
  cause:
    'A caller with the permission tokens:issue obtained the token. That caller could request an act as the user, approve it, and run it.',
  fix: 'Request and run sign-offs with a token from a sign-in of the user, or as an agent.',
});

export const signOffRequesterEnded = defineError({
  code: 'signoff_requester_ended',
  oauthError: 'access_denied',
  status: 403,
  title: 'The requester was disabled, killed, or has expired',
  cause:
    'The user, client or agent behind the sign-off does not exist any more, was disabled or killed, or the agent has expired.',
  fix: 'Request a new sign-off as a user who is active, or by a new agent.',
});

export const signOffTooMany = defineError({
  code: 'signoff_too_many',
  status: 409,
  oauthStatus: 429,
  oauthError: 'temporarily_unavailable',
  title: 'Too many open sign-offs',
  cause:
    'A requester can have SIGNOFFS_OPEN_PER_REQUESTER sign-offs that are pending, approved or running and have not expired.',
  fix: 'Wait until some are denied, run or expire, and request shorter lifetimes (`expires_in_minutes`).',
  retryable: true,
});

/** `detail` says where. */
export const signOffArgumentsInvalid = defineError({
  code: 'signoff_arguments_invalid',
  oauthError: 'invalid_authorization_details',
  status: 400,
  title: 'Arguments too large, or not read alike by all parsers',
  cause:
    'The canonical form (RFC 8785) of the arguments is longer than 32 KiB or deeper than 32 levels, or there is none: a text has a lone surrogate, an object has a name twice, or a number is not finite, is outside ±(2^53 − 1), or has more digits than a double keeps, so that people would approve another number than the one that was sent.',
  fix: 'Pass smaller or well-formed arguments; refer to large data by its hash, and write numbers with many digits as text.',
});

export const signOffQuorumInvalid = defineError({
  code: 'signoff_quorum_invalid',
  status: 400,
  title: 'Quorum larger than the number of roles',
  cause: 'Each role approves once, so a quorum cannot exceed the number of required roles.',
  fix: 'Name more roles, or lower the quorum.',
});

/** `detail` names what is below. */
export const signOffBelowPolicy = defineError({
  code: 'signoff_below_policy',
  oauthError: 'invalid_request',
  status: 400,
  title: 'The request asks for less than the policy of its act',
  cause:
    'An application declares which roles approve an act, how many of them at least, how long a sign-off lives at most, and under which conditions the act starts.',
  fix: 'Leave out what `detail` names: the values of the policy then apply. Or ask for more.',
});

export const signOffArgumentsChanged = defineError({
  code: 'signoff_arguments_changed',
  status: 409,
  title: 'Not the act and arguments of the sign-off',
  cause:
    'An approval is bound to one act and the SHA-256 of its canonical arguments. This request names another act or has other arguments.',
  fix: 'Read the sign-off again and use its act and arguments, or request a new sign-off.',
});

export const signOffClosed = defineError({
  code: 'signoff_closed',
  status: 409,
  title: 'Sign-off already decided or expired',
  cause: 'The sign-off was approved, denied, or ended, or more than its lifetime has passed since the request.',
  fix: 'Request a new sign-off.',
});

export const signOffRoleNotRequired = defineError({
  code: 'signoff_role_not_required',
  status: 409,
  title: 'Role not among the required roles',
  cause: 'The sign-off does not ask for this role.',
  fix: 'Decide in one of its `required_roles` that you have.',
});

export const signOffRoleMissing = defineError({
  code: 'signoff_role_missing',
  status: 403,
  title: 'You do not have this role',
  cause: 'A person decides only in a role that they have now.',
  fix: 'Ask an administrator for the role, or decide in a role that you have.',
});

export const signOffSelfApproval = defineError({
  code: 'signoff_self_approval',
  status: 403,
  title: 'You cannot decide your own request',
  cause:
    'You requested the sign-off, or an agent of yours did, or it was requested through a client whose credentials you have set, before or after the request. Another account of your mailbox, such as ada+work@example.com of ada@example.com, counts as you.',
  fix: 'Ask other people to decide.',
});

export const signOffAlreadyDecided = defineError({
  code: 'signoff_already_decided',
  status: 409,
  title: 'You or this role have already decided',
  cause:
    'One person decides once, in one role, and each role decides once. Accounts of one mailbox, such as ada@example.com and ada+work@example.com, are one person.',
  fix: 'Ask a person in one of the remaining roles.',
});

/** `detail` names the state. */
export const signOffNotRunnable = defineError({
  code: 'signoff_not_runnable',
  status: 409,
  title: 'The act cannot start',
  cause:
    'An act starts once, after its approval and before the sign-off expires. This one is not approved, has expired, or has started before.',
  fix: 'Wait for the approval, or request a new sign-off.',
});

/** `detail` names the roles. */
export const signOffApprovalVoid = defineError({
  code: 'signoff_approval_void',
  status: 409,
  title: 'An approval does not count any more',
  cause:
    'A person who approved was disabled or deleted, has lost the role, or has set credentials of the requesting client. The approval was removed and the sign-off waits again.',
  fix: 'Ask another person to approve in the role that `waiting_for` names, and start the act again.',
  retryable: true,
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

/** `detail` names the limit. */
export const agentLimitReached = defineError({
  code: 'agent_limit_reached',
  status: 429,
  title: 'The agent has reached a limit of the day',
  cause: 'An administrator or the owner of the agent limits how many acts it starts in a day (UTC), or their amount.',
  fix: 'Start the act after `Retry-After`, or request a new sign-off then. `sallyport agents why` shows the limits and what was started.',
});

/** `detail` names the limit. */
export const agentAmountUnreadable = defineError({
  code: 'agent_amount_unreadable',
  status: 403,
  title: 'The arguments name no amount that the limit of the agent counts',
  cause:
    'The amount of this act is limited. Its arguments have no plain decimal number where the limit looks for it, or a currency that the limit does not name.',
  fix: 'Request a sign-off with an amount and a currency where the limit looks for them (`sallyport agents why`), or have the limit changed.',
});

/** `detail` names the state, and the failure if there is one. */
export const signOffNotRunning = defineError({
  code: 'signoff_not_running',
  status: 409,
  title: 'The act is not running',
  cause: 'The act has not started, has ended, or failed when its agent was killed.',
  fix: 'Read the sign-off: `failure` says why it failed.',
});

export const signOffUnfinished = defineError({
  code: 'signoff_unfinished',
  status: 409,
  title: 'No receipt yet',
  cause: 'A receipt is about an act that has ended.',
  fix: 'Read the receipt after the end of the act was reported.',
});
