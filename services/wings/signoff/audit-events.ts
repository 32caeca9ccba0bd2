import { defineAuditEvent } from '#services/platform/define/audit-event.ts';
import {
  code,
  count,
  digest,
  flag,
  id,
  label,
  listOf,
  name,
  objectOf,
  oneOf,
  reason,
  text,
  user,
} from '#services/platform/define/audit-member.ts';

export const signOffRequested = defineAuditEvent({
  type: 'signoff.requested',
  isPushed: true,
  detail: { act: name, arguments_sha256: digest, required_roles: listOf(label), quorum: count, policy_version: count },
  meaning:
    'The sign-off of an act was requested: `act`, `arguments_sha256` of its canonical arguments (RFC 8785), `required_roles`, `quorum`, and `policy_version` of the policy of the act, null if it has none.',
});

export const signOffDecided = defineAuditEvent({
  type: 'signoff.decided',
  isPushed: true,
  outcomes: ['approve', 'deny'],
  detail: {
    act: name,
    arguments_sha256: digest,
    role: label,
    user_id: user,
    state: oneOf('pending', 'approved', 'denied'),
    tracked: flag,
  },
  meaning:
    'A person decided in `role` about the act with these arguments; `state` is that of the sign-off afterwards. With `tracked`, an embedding application reported the decision.',
});

export const signOffApprovalVoided = defineAuditEvent({
  type: 'signoff.approval_void',
  detail: {
    act: name,
    arguments_sha256: digest,
    role: label,
    user_id: user,
    why: oneOf('account_inactive', 'role_lost', 'barred'),
  },
  meaning:
    'The approval of `user_id` in `role` was removed, because it did not count any more: the account was disabled or deleted (`why` is `account_inactive`), the person lost the role (`role_lost`), or can act as the requester (`barred`). An approved sign-off waits again.',
});

export const signOffPinged = defineAuditEvent({
  type: 'signoff.pinged',
  outcomes: ['ok', 'given_up', 'dropped'],
  detail: { attempts: count, code },
  meaning:
    'A client was pinged that people have decided what it asked for (CIBA), or accepted no ping (`given_up`; `code` says why the last one failed), or was deleted, disabled or lost its address before (`dropped`). `attempts` is their number. A request whose token is issued before its ping is answered has no such event.',
});

export const signOffStarted = defineAuditEvent({
  type: 'signoff.started',
  isPushed: true,
  detail: { act: name, arguments_sha256: digest, approvals: listOf(objectOf({ role: label, user_id: user })) },
  meaning: 'An approved act started. Each sign-off has at most one such event.',
});

export const signOffRefused = defineAuditEvent({
  type: 'signoff.refused',
  outcomes: ['refused'],
  detail: { act: name, arguments_sha256: digest, agent_id: id, code },
  meaning:
    'An act was not started; `code` is `signoff_arguments_changed` if the act or its arguments are not those that were approved, or `signoff_not_runnable`, for example because it had started before, `signoff_approval_void`, `signoff_requester_ended`, `agent_limit_reached` or `agent_amount_unreadable`. `agent_id` is present if an agent tried.',
});

export const signOffFinished = defineAuditEvent({
  type: 'signoff.finished',
  isPushed: true,
  outcomes: ['done', 'failed'],
  detail: {
    act: name,
    arguments_sha256: digest,
    required_roles: listOf(label),
    quorum: count,
    policy_version: count,
    approvals: listOf(objectOf({ role: label, user_id: user })),
    act_failure: text,
    reason,
  },
  meaning:
    'An approved act ended, or a sign-off failed because its agent was killed or its request was withdrawn. `approvals` lists who approved, in which role; `required_roles`, `quorum` and `policy_version` say what had to be met; `act_failure` says why it failed; the inclusion proof of this event is the receipt.',
});
