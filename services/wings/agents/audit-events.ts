import { defineAuditEvent } from '#services/platform/define/audit-event.ts';
import { count, flag, name, oneOf, reason, user } from '#services/platform/define/audit-member.ts';
import { LIMIT_SETTERS } from './agent-shapes.ts';

export const agentRegistered = defineAuditEvent({
  type: 'agent.registered',
  isPushed: true,
  detail: { owner_id: user, reason },
  meaning: 'An agent was registered for the user `owner_id`; a `client.created` event is about its OAuth client.',
});

export const agentChanged = defineAuditEvent({
  type: 'agent.changed',
  detail: { capabilities: count },
  meaning: 'An agent reported other capabilities with its heartbeat; `capabilities` is their number.',
});

// A row trigger writes it, in the transaction that kills the agent.
export const agentKilledEvent = defineAuditEvent({
  type: 'agent.killed',
  isPushed: true,
  detail: { owner_id: user, reason },
  meaning:
    'An agent was killed, or its owner was disabled; its tokens and the tokens it exchanged were revoked. `reason` says why.',
});

export const agentLimitsChanged = defineAuditEvent({
  type: 'agent.limits_changed',
  isPushed: true,
  detail: { act: name, set_by: oneOf(...LIMIT_SETTERS), acts_a_day: count, has_amounts: flag, reason },
  meaning:
    'A limit of what an agent may start in a day was set, by an administrator or its owner. `acts_a_day` is absent if their number is not limited, `has_amounts` says whether their amounts are; without both the limit was removed.',
});

export const agentCredentialsChecked = defineAuditEvent({
  type: 'agent.credentials_checked',
  outcomes: ['ok', 'refused'],
  detail: { code: oneOf('unknown', 'wrong', 'disabled') },
  meaning:
    'A service asked whether credentials are those of an agent. `code` of a refusal is `unknown`, `wrong`, `disabled` (killed, expired or disabled).',
});
