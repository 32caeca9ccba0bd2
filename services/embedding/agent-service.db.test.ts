import { expect, test } from 'vitest';
import { opened } from '#tools/testing/opened.ts';
import { openAgentHarness } from '../wings/agents/agent-harness.ts';
import { AgentService } from './agent-service.ts';

const harness = opened(openAgentHarness);

test('validateAgentCredentials accepts the secret of a live agent and no other', async () => {
  const service = new AgentService({ ...harness, wings: { leftOut: [] } });
  const { agent_id: agentId, client_secret: secret } = await harness.newAgent();
  expect(await service.validateAgentCredentials(agentId, { secret: secret ?? '' })).toBe(true);
  expect(await service.validateAgentCredentials(agentId, { secret: 'wrong' })).toBe(false);
  const actors = await harness.raw`SELECT DISTINCT actor_id FROM audit_outbox WHERE type = 'agent.credentials_checked'`;
  expect(actors).toEqual([{ actor_id: 'agent-service' }]);
});
