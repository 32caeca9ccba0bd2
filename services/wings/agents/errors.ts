import { defineError } from '#services/platform/define/error.ts';

export const agentUnknown = defineError({
  code: 'agent_unknown',
  status: 404,
  title: 'Agent not found',
  cause: 'No agent has this id, it belongs to another user, or the caller is not an agent.',
  fix: 'GET /v1/agents lists your agents, GET /v1/admin/agents all agents.',
});

/** `detail` names the permissions. */
export const agentExceedsOwner = defineError({
  code: 'agent_exceeds_owner',
  status: 400,
  title: 'The owner lacks a permission of the agent',
  cause: 'An agent acts for its owner, so its scopes name no permission that its owner lacks.',
  fix: 'Register the agent without the permissions named in `detail`, or for an owner who has them.',
});
